#pragma once

#include "base/ids.h"

#include <cstddef>
#include <deque>
#include <unordered_map>
#include <utility>

namespace postern::delivery {

/// First in, first out per account, and accounts take turns: a newsletter of 100,000 does not make one
/// person's mail wait behind it. Threads  none: one owner.
template <class T>
class FairQueue {
 public:
  void push(AccountId account, T item) {
    Line& line = lines_[account];
    if (line.empty()) turns_.push_back(account);
    line.push_back(std::move(item));
    ++size_;
  }
  /// For an item that was taken and could not be used: it is next in its account's line, and its account next
  /// in turn.
  void push_front(AccountId account, T item) {
    Line& line = lines_[account];
    if (line.empty()) turns_.push_front(account);
    line.push_front(std::move(item));
    ++size_;
  }
  /// Requires !empty().
  T pop() {
    const AccountId account = turns_.front();
    turns_.pop_front();
    const auto found = lines_.find(account);
    T item = std::move(found->second.front());
    found->second.pop_front();
    if (found->second.empty()) {
      lines_.erase(found);
    } else {
      turns_.push_back(account);
    }
    --size_;
    return item;
  }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  using Line = std::deque<T>;
  std::unordered_map<AccountId, Line> lines_;  // only accounts with something in line
  std::deque<AccountId> turns_;
  std::size_t size_ = 0;
};

}  // namespace postern::delivery
