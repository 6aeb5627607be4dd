#pragma once

#include "base/ids.h"
#include "delivery/fair_queue.h"

#include <cstddef>
#include <mutex>
#include <unordered_map>

namespace postern::delivery {

/// How much of the room for messages in memory each account has. One account may take as much as is left free, so
/// that alone it gets a half, two get a third each, and there is always room for who comes next; bulk mail half as
/// much. What is not admitted waits on disk, where accounts take turns again.
///
/// Threads  safe from any thread.
class Shares {
 public:
  /// Room that an account always has, however full it is.
  static constexpr std::size_t kLeast = 16;

  explicit Shares(std::size_t room) : room_(room) {}

  /// Counts one more message of `account` if it may have it.
  [[nodiscard]] bool admit(AccountId account, Urgency urgency) {
    const std::lock_guard lock(mutex_);
    if (all_ >= room_) return false;
    std::size_t& mine = by_account_[account];
    const std::size_t free = room_ - all_;
    const std::size_t most = std::max(kLeast, urgency == Urgency::Bulk ? free / 2 : free);
    const bool admitted = mine < most;
    if (admitted) {
      ++mine;
      ++all_;
    } else if (mine == 0) {
      by_account_.erase(account);
    }
    return admitted;
  }
  /// Counts one that is here anyway.
  void enter(AccountId account) {
    const std::lock_guard lock(mutex_);
    ++by_account_[account];
    ++all_;
  }
  void leave(AccountId account) {
    const std::lock_guard lock(mutex_);
    --all_;
    const auto mine = by_account_.find(account);
    if (--mine->second == 0) by_account_.erase(mine);
  }
  [[nodiscard]] std::size_t all() const {
    const std::lock_guard lock(mutex_);
    return all_;
  }

 private:
  const std::size_t room_;
  mutable std::mutex mutex_;
  std::unordered_map<AccountId, std::size_t> by_account_;
  std::size_t all_ = 0;
};

}  // namespace postern::delivery
