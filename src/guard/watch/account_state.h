#pragma once

#include "base/result.h"
#include "guard/watch/aging_filter.h"
#include "guard/watch/habit.h"
#include "guard/watch/networks.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::guard {

/// What kind of sender an account is. Unknown: it shows by what the account does on its first day.
enum class SenderClass : std::uint8_t { Unknown, Person, App, Bulk };
[[nodiscard]] const char* to_string(SenderClass kind);
/// "person", "app", "bulk". Error: Malformed.
[[nodiscard]] Result<SenderClass> parse_sender_class(std::string_view text);

/// A domain that refused the account's recipients and has taken none since.
struct Refuser {
  std::uint16_t domain = 0;  ///< of its hash; 0: free
  std::uint8_t times = 0;    ///< in a row
};

/// Everything the watch knows of one account.
///
/// Limits   constant size, whatever the account sends; at most kEncodedBytes on disk. No address is in it.
struct AccountState {
  /// Five rows fit a page of SQLite's default size, which makes about 820 octets an account.
  static constexpr std::size_t kEncodedBytes = 790;

  std::int64_t first_seen = 0;  ///< seconds since 1970; valid when messages > 0 (as are the next two)
  std::int64_t last_seen = 0;
  std::int32_t last_day = 0;
  std::uint32_t messages = 0;
  std::uint32_t active_days = 0;
  SenderClass given = SenderClass::Unknown;

  AgingFilter<1536> recipients;
  AgingFilter<256> domains;
  Networks networks;
  Habit habit;

  std::array<std::uint8_t, 24> hours{};  ///< messages by hour of the day (UTC), halved when one overflows
  std::array<std::uint8_t, 7> weekdays{};

  // Shares that the account is used to; they follow slowly.
  float new_share = 0.5F;  ///< of its messages go mostly to new recipients
  float bounced = 0;       ///< bounces and messages, fading by number of messages
  float delivered = 0;
  float new_networks = 0;  ///< networks it came to use, fading over months

  // What is going on; fades within hours to a day, with `habit`.
  float strange_new = 0;       ///< new recipients written to from strange networks
  float strange_networks = 0;  ///< strange networks that appeared
  float mostly_new = 0;        ///< messages that went mostly to new recipients
  float mostly_known = 0;
  float odd_hours = 0;  ///< how unusual the hours of new recipients are
  float bounce_evidence = 0;
  float recent_bounces = 0;
  float recent_answers = 0;  ///< of which those are a part
  float outage = 0;  ///< how much better a next hop that refuses everything explains the bounces, in nats
  std::array<Refuser, 4> refusers{};  ///< the latest first
  float largest = 0;                  ///< recipients of one message
  float reported = 0;                 ///< scanner, complaints, failed logins before a login
  float complaints = 0;               ///< of the last days, counted
  float usual_suspicion = 0;          ///< of its messages, as the content scanner sees them; 0 to 1

  // Holding.
  std::int64_t held_since = 0;  ///< 0: not held
  std::int64_t warned_at = 0;
  float releases = 0;  ///< fading: how often an operator let it go on

  [[nodiscard]] bool held() const { return held_since != 0; }
  [[nodiscard]] bool seen() const { return messages > 0; }
};

/// The share of its mail that bounces as a rule, 0.015 to 0.3: its own, or while it has sent little the usual.
[[nodiscard]] double usual_bounces(const AccountState& state);

/// At most AccountState::kEncodedBytes octets, starting with a version.
[[nodiscard]] std::string encode(const AccountState& state);
/// Error: Corrupt.
[[nodiscard]] Result<AccountState> decode_account_state(std::string_view octets);

}  // namespace postern::guard
