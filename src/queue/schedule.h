#pragma once

#include "base/clock.h"
#include "base/ids.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace postern::queue {

/// Where a look at one flow's rows goes on: behind this row, in the order (next_attempt, message, number).
struct Position {
  std::int64_t due = INT64_MIN;
  std::int64_t message = 0;
  std::int64_t number = 0;
  friend auto operator<=>(const Position&, const Position&) = default;
};

/// When recipients became due of which only that is known: from the first row on, whatever was looked at before.
inline constexpr TimePoint kDueAlready = TimePoint::min();

/// Whose waiting mail is looked for next. The mail itself is on disk; this knows the *flows* it makes (one account's
/// recipients in one domain), since when or until when each waits, and what is being delivered now.
///
/// Accounts take turns, and the destinations of an account take turns within it. A site (a domain, or what
/// set_site_of() makes of it) and an account may each have as many messages in delivery as there is room left
/// in all; so a newcomer always finds room, however much mail waits for a slow one. (Dynamic thresholds:
/// Choudhury and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", 1998.)
///
/// Threads  one at a time.
/// Limits   memory grows with the flows that wait and the messages in delivery, not with the mail.
class Schedule {
 public:
  using SiteOf = std::function<std::string(std::string_view domain)>;

  /// `capacity`: how many messages may be in delivery; what comes above it is bounded to kFew per account and site.
  explicit Schedule(std::size_t capacity) : capacity_(capacity) {}

  /// Destinations that share one budget; default: each domain is a site. It is asked again and again, and may
  /// change its mind.
  void set_site_of(SiteOf site_of) { site_of_ = std::move(site_of); }

  /// Recipients of `account` in `domain` are due at `at`: exactly what their rows say, or kDueAlready. A later time
  /// than theirs would leave them behind a look that is under way.
  void add(AccountId account, std::string_view domain, TimePoint at);

  /// A flow with due recipients, to be looked at.
  struct Turn {
    AccountId account;
    std::string domain;
    Position after;
    std::size_t room = 0;  ///< how many messages may be taken from it
  };
  /// The next turn; nullopt: nothing is due, or nothing that is due may be delivered now.
  [[nodiscard]] std::optional<Turn> next(TimePoint now);
  /// What the look came to: there is more behind `reached`; or the next is due at `next_due`; or nothing waits.
  void seen(const Turn& turn, std::optional<Position> reached, std::optional<TimePoint> next_due);

  /// Whether one more message of the account, or for the domain, may go into delivery.
  [[nodiscard]] bool account_admits(AccountId account) const;
  [[nodiscard]] bool site_admits(std::string_view domain) const;
  [[nodiscard]] std::string site(std::string_view domain) const;
  /// A message goes into delivery; it comes back with the same account and sites.
  void begin(AccountId account, const std::vector<std::string>& sites);
  void end(AccountId account, const std::vector<std::string>& sites);

  /// Nothing of a held account gets a turn.
  void hold(AccountId account) { held_.insert(account); }
  void release(AccountId account);
  [[nodiscard]] bool held(AccountId account) const { return held_.contains(account); }

  /// True once after something became ready since the last time that next() had nothing.
  [[nodiscard]] bool take_news() { return std::exchange(news_, false); }
  [[nodiscard]] std::size_t flows() const { return flows_.size(); }
  [[nodiscard]] std::size_t in_delivery() const { return total_; }

 private:
  enum class State : std::uint8_t { Waiting, Ready, Parked, Looked };
  struct Flow {
    TimePoint due;
    Position after;
    State state = State::Waiting;
    bool again = false;  // something was added during the look
  };
  using Domain = const std::string*;  // interned in domains_
  struct Key {
    AccountId account;
    Domain domain = nullptr;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept {
      return std::hash<AccountId>{}(key.account) * 0x9E3779B97F4A7C15U ^ std::hash<Domain>{}(key.domain);
    }
  };
  /// Flows in line, accounts taking turns.
  struct Line {
    std::unordered_map<AccountId, std::deque<Key>> of_account;
    std::deque<AccountId> turns;
    void push(const Key& key);
    [[nodiscard]] std::optional<Key> pop();
  };
  struct Account {
    std::deque<Key> ready;
    std::size_t active = 0;
    bool in_turn = false;
  };
  struct Site {
    std::size_t active = 0;
    Line parked;
  };
  struct Later {
    TimePoint due;
    Key key;
    bool operator<(const Later& other) const { return due > other.due; }
  };

  [[nodiscard]] std::size_t room(std::size_t active) const;
  [[nodiscard]] std::size_t site_room(const std::string& site) const;
  [[nodiscard]] Key key_of(AccountId account, std::string_view domain);
  void wait(const Key& key, Flow& flow, TimePoint due);
  void make_ready(const Key& key, Flow& flow);
  void give_turn(AccountId id, Account& account);
  void unpark(const std::string& site);
  void forget(const Key& key);
  void forget_if_idle(AccountId account);

  const std::size_t capacity_;
  SiteOf site_of_;
  std::unordered_map<std::string, std::size_t> domains_;  // with the number of their flows
  std::unordered_map<Key, Flow, KeyHash> flows_;
  std::priority_queue<Later> later_;  // may name flows that have moved on since
  std::unordered_map<AccountId, Account> accounts_;
  std::deque<AccountId> turns_;
  std::unordered_map<std::string, Site> sites_;
  std::unordered_set<AccountId> held_;
  std::size_t total_ = 0;
  TimePoint last_now_ = TimePoint::min();
  bool news_ = false;
};

}  // namespace postern::queue
