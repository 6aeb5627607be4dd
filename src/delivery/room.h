#pragma once

#include "delivery/fair_queue.h"

#include <atomic>
#include <cstddef>

namespace postern::delivery {

/// How many messages are in memory to be delivered, and whether one that was just handed in may join them. What is not
/// admitted waits on disk. Whose turn it is there, and that no account and no site fills this room, is
/// queue/schedule.h's to say; here bulk mail only leaves half of it to mail that somebody waits for.
///
/// Threads  safe from any thread.
class Room {
 public:
  explicit Room(std::size_t size) : size_(size) {}

  /// Counts one more message, if it may come in.
  [[nodiscard]] bool admit(Urgency urgency) {
    const std::size_t most = urgency == Urgency::Bulk ? size_ / 2 : size_;
    std::size_t now = taken_.load();
    while (now < most) {
      if (taken_.compare_exchange_weak(now, now + 1)) return true;
    }
    return false;
  }
  /// Counts one that is here anyway.
  void enter() { taken_.fetch_add(1); }
  void leave() { taken_.fetch_sub(1); }
  [[nodiscard]] std::size_t taken() const { return taken_.load(); }

 private:
  const std::size_t size_;
  std::atomic<std::size_t> taken_{0};
};

}  // namespace postern::delivery
