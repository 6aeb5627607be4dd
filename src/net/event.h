#pragma once

#include "net/loop.h"

#include <vector>

namespace postern::net {

/// Coroutines of one loop wait here until somebody on the same loop calls notify().
/// Threads  the loop's own thread only; from another one, `loop.post([&]{ event.notify(); })`.
class Event {
 public:
  explicit Event(Loop& loop) : loop_(loop) {}
  /// Who still waits goes on waiting until its deadline.
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  /// True when notified, false when `deadline` passed first. A notify() without waiters is not remembered.
  Task<bool> wait_until(SteadyTime deadline);
  /// Wakes everyone who waits now; they resume after the caller's current step.
  void notify();

 private:
  struct Waiter;
  Loop& loop_;
  std::vector<Waiter*> waiters_;
};

}  // namespace postern::net
