#include "scan/turns.h"

#include "net/completion.h"

#include <algorithm>
#include <list>
#include <mutex>

namespace postern::scan {

struct Turns::Waiter {
  net::Completion<bool>::Resolver resolve;
};

struct Turns::Room {
  explicit Room(std::uint32_t at_once) : free(at_once) {}

  /// Whether it waited: who is in the list has neither got a turn nor given up.
  bool remove(const std::shared_ptr<Waiter>& waiter) {
    const std::lock_guard lock(mutex);
    return waiting.remove(waiter) > 0;
  }

  std::mutex mutex;
  std::uint32_t free;
  std::list<std::shared_ptr<Waiter>> waiting;
};

/// Nobody is woken whose coroutine has ended with its loop.
struct Turns::Leave {
  Leave(Room& r, std::shared_ptr<Waiter> w) : room(r), waiter(std::move(w)) {}
  ~Leave() { room.remove(waiter); }
  Leave(const Leave&) = delete;
  Leave& operator=(const Leave&) = delete;
  Room& room;
  const std::shared_ptr<Waiter> waiter;
};

Turns::Turns(std::uint32_t at_once) : room_(std::make_shared<Room>(at_once)) {}

net::Task<bool> Turns::take(net::Loop& loop, SteadyTime deadline) {
  const std::shared_ptr<Room> room = room_;
  net::Completion<bool> done(loop);
  auto waiter = std::make_shared<Waiter>(Waiter{done.resolver()});
  {
    const std::lock_guard lock(room->mutex);
    if (room->free > 0) {
      --room->free;
      co_return true;
    }
    room->waiting.push_back(waiter);
  }
  const Leave leave(*room, waiter);
  loop.spawn(expire(room, loop, waiter, deadline));
  const bool mine = co_await done;
  co_return mine;
}

net::Task<> Turns::expire(std::shared_ptr<Room> room, net::Loop& loop, std::shared_ptr<Waiter> waiter,
                          SteadyTime deadline) {
  co_await loop.sleep_until(deadline);
  if (room->remove(waiter)) waiter->resolve(false);
}

void Turns::give_back() {
  const std::lock_guard lock(room_->mutex);
  if (room_->waiting.empty()) {
    ++room_->free;
    return;
  }
  const std::shared_ptr<Waiter> next = room_->waiting.front();
  room_->waiting.pop_front();
  next->resolve(true);
}

}  // namespace postern::scan
