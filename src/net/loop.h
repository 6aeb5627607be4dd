#pragma once

#include "base/clock.h"
#include "net/task.h"

#include <cstddef>
#include <functional>
#include <memory>

namespace postern::net {

/// Something with a deadline on a Loop; see Loop::Impl.
class Expiring {
 public:
  /// Called on the loop's thread, once, when the deadline has passed; the entry is gone by then.
  virtual void expired() = 0;

 protected:
  virtual ~Expiring() = default;

 private:
  friend class Loop;
  SteadyTime when_{};
  bool scheduled_ = false;
};

/// One thread's event loop.
///
/// Owns     the coroutines spawned on it; the destructor destroys those that still wait.
/// Threads  run() belongs to one thread. post(), spawn() and stop() may be called from any; the rest
///          only from the loop's own thread.
class Loop {
 public:
  struct Impl;

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Runs until stop(). A loop can be run again.
  void run();
  void stop();
  /// Destroys the spawned coroutines that still wait; the loop must not be running. For the end of a program,
  /// where what they refer to goes before the loop does.
  void abandon_tasks();

  /// Runs `fn` on the loop, after the caller's current step.
  void post(std::function<void()> fn);

  /// Starts `task` on the loop and keeps it until it ends.
  void spawn(Task<> task);

  /// Spawned coroutines that have not ended.
  [[nodiscard]] std::size_t task_count() const;

  Task<> sleep_until(SteadyTime when);
  /// Lets everything else that is ready run first: for coroutines that could go on without ever waiting.
  Task<> yield();

  /// Calls `waiter.expired()` when `when` has passed, unless cancel_deadline() comes first.
  /// SteadyTime::max(): never.
  void schedule_deadline(Expiring& waiter, SteadyTime when);
  void cancel_deadline(Expiring& waiter);

  [[nodiscard]] Impl& impl() { return *impl_; }

 private:
  void arm_timer();
  void fire_due();
  void start_root(Task<> task);
  std::unique_ptr<Impl> impl_;
};

}  // namespace postern::net
