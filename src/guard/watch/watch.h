#pragma once

#include "guard/watch/account_state.h"
#include "guard/watch/signal.h"
#include "guard/watch/surroundings.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace postern::guard {

/// How near a recipient is to the account: mail of spammers goes far.
enum class Nearness : std::uint8_t {
  Outside,
  OwnDomain,  ///< in the account's domain (or another one of this server)
  Colleague,  ///< an account of this server
};

/// One recipient, as the watch sees it.
struct WatchedRecipient {
  std::uint64_t address = 0;  ///< hash
  std::uint64_t domain = 0;   ///< hash
  Nearness nearness = Nearness::Outside;
  /// `address` in lower case for comparison: "user@example.org".
  [[nodiscard]] static WatchedRecipient of(std::string_view address);
};

/// One message that an account hands in.
struct WatchedMessage {
  std::int64_t time = 0;  ///< seconds since 1970; not before the account's last
  Place place;
  std::span<const WatchedRecipient> recipients;
};

enum class Action : std::uint8_t { None, Warn, Hold, Held };

/// What the watch thinks of an account after an event.
struct Judgement {
  Action action = Action::None;  ///< Hold and Warn: now, for the first time; Held: it was held before
  double score = 0;
  Evidences evidences;
  double new_recipients = 0;  ///< of this message, weighted
  std::uint32_t unseen = 0;   ///< the same, counted
};

/// What became of mail of an account.
struct Answered {
  double recipients = 1;     ///< that got their final answer
  double bounced = 0;        ///< of them do not exist
  bool fresh = false;        ///< they were new recipients
  std::uint64_t domain = 0;  ///< hash of the recipients' domain; 0: not known, or several

  /// One recipient of "user@domain", in lower case.
  [[nodiscard]] static Answered of(std::string_view address, bool bounced, bool fresh);
};

/// Something else that speaks against an account.
enum class Report : std::uint8_t { ScannerSpam, Complaint, FailedLoginsBefore };

/// The detector: evidence of a stolen account, accumulated against the account's own history and its class.
///
/// Every signal gives its evidence in nats; the sum is the score. A score of kHold holds the account when a
/// minimum of mail stands behind it. Deterministic: the same events give the same scores.
/// Threads  none of its own: the caller sees to it that one state is used by one thread at a time.
/// See      docs/decisions/0013-watch-evidence.md
class Watch {
 public:
  static constexpr double kHold = 10;
  static constexpr double kWarn = 7.5;

  /// `message` is about to be accepted. Learns it, unless the account is (or is now) held.
  static Judgement judge(AccountState& state, Surroundings& surroundings, const WatchedMessage& message);
  static Judgement delivered(AccountState& state, Surroundings& surroundings, std::int64_t time,
                             const Answered& answered);
  static Judgement report(AccountState& state, Surroundings& surroundings, std::int64_t time, Report report,
                          double amount = 1);

  /// A content scanner took a message; `suspicion`: how near it came to a refusal, 0 to 1. What the account's mail
  /// is always like says nothing.
  static Judgement scanned(AccountState& state, Surroundings& surroundings, std::int64_t time,
                           double suspicion);

  /// An operator lets the account go on: what is going on is forgotten, and it takes more to hold it again.
  static void release(AccountState& state, std::int64_t time);
  /// An operator says that this was the owner, and normal: it becomes part of the habit.
  static void forgive(AccountState& state, std::int64_t time);

  /// The evidence as it stands.
  [[nodiscard]] static Evidences weigh(const AccountState& state);
  /// The score at which this account is held.
  [[nodiscard]] static double threshold(const AccountState& state);
};

}  // namespace postern::guard
