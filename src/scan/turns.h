#pragma once

#include "base/clock.h"
#include "net/loop.h"
#include "net/task.h"

#include <cstdint>
#include <memory>

namespace postern::scan {

/// So many at once; the others wait in the order in which they came, and are woken when one has ended.
///
/// Threads  take() from any loop, give_back() from any thread.
/// Limits   who waits is a message at its end: no more than there are connections. A timer of each stays until its deadline.
class Turns {
 public:
  explicit Turns(std::uint32_t at_once);

  /// True: a turn, for give_back(). False: the deadline came first.
  net::Task<bool> take(net::Loop& loop, SteadyTime deadline);
  void give_back();

 private:
  struct Waiter;
  struct Room;
  struct Leave;
  static net::Task<> expire(std::shared_ptr<Room> room, net::Loop& loop, std::shared_ptr<Waiter> waiter,
                            SteadyTime deadline);

  std::shared_ptr<Room> room_;
};

}  // namespace postern::scan
