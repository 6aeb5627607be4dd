#pragma once

#include "base/ids.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <unordered_map>
#include <utility>

namespace postern::delivery {

/// Mail that somebody waits for goes before what a machine sends to many.
enum class Urgency : std::uint8_t { Bulk, Prompt };

/// First in, first out per account, and accounts take turns: a newsletter of 100,000 does not make one person's
/// mail wait behind it. Prompt items go before bulk ones, except that every kBulkTurn-th turn is bulk's, so that
/// it never starves.
/// Threads  none: one owner.
template <class T>
class FairQueue {
 public:
  static constexpr unsigned kBulkTurn = 8;

  void push(AccountId account, T item, Urgency urgency = Urgency::Prompt) {
    Tier& tier = tiers_[index(urgency)];
    Line& line = tier.lines[account];
    if (line.empty()) tier.turns.push_back(account);
    line.push_back(std::move(item));
    ++tier.size;
  }
  /// For an item that was taken and could not be used: it is next in its account's line, and its account next
  /// in turn.
  void push_front(AccountId account, T item, Urgency urgency = Urgency::Prompt) {
    Tier& tier = tiers_[index(urgency)];
    Line& line = tier.lines[account];
    if (line.empty()) tier.turns.push_front(account);
    line.push_front(std::move(item));
    ++tier.size;
  }
  /// Requires !empty().
  T pop() {
    const bool bulk = prompt().size == 0 || (bulk_tier().size > 0 && prompt_turns_ + 1 >= kBulkTurn);
    prompt_turns_ = bulk ? 0 : prompt_turns_ + 1;
    Tier& tier = bulk ? bulk_tier() : prompt();
    const AccountId account = tier.turns.front();
    tier.turns.pop_front();
    const auto found = tier.lines.find(account);
    T item = std::move(found->second.front());
    found->second.pop_front();
    if (found->second.empty()) {
      tier.lines.erase(found);
    } else {
      tier.turns.push_back(account);
    }
    --tier.size;
    return item;
  }
  /// The newest item of the longest line, of bulk mail if there is any: what is sent away when there is too
  /// much. Requires !empty().
  T pop_excess() {
    Tier& tier = bulk_tier().size > 0 ? bulk_tier() : prompt();
    const auto longest =
        std::ranges::max_element(tier.lines, {}, [](const auto& entry) { return entry.second.size(); });
    T item = std::move(longest->second.back());
    longest->second.pop_back();
    if (longest->second.empty()) {
      std::erase(tier.turns, longest->first);
      tier.lines.erase(longest);
    }
    --tier.size;
    return item;
  }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] std::size_t size() const { return tiers_[0].size + tiers_[1].size; }
  [[nodiscard]] std::size_t size(Urgency urgency) const { return tiers_[index(urgency)].size; }

 private:
  using Line = std::deque<T>;
  struct Tier {
    std::unordered_map<AccountId, Line> lines;  // only accounts with something in line
    std::deque<AccountId> turns;
    std::size_t size = 0;
  };
  static constexpr std::size_t index(Urgency urgency) { return static_cast<std::size_t>(urgency); }
  Tier& bulk_tier() { return tiers_[index(Urgency::Bulk)]; }
  Tier& prompt() { return tiers_[index(Urgency::Prompt)]; }

  std::array<Tier, 2> tiers_;
  unsigned prompt_turns_ = 0;
};

}  // namespace postern::delivery
