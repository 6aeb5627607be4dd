#pragma once

#include "base/result.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::guard {

/// What becomes of mail above a limit.
enum class LimitAction : std::uint8_t {
  Defer,   ///< 450 4.7.1: the client tries again
  Delay,   ///< accepted, and sent when the limit has room; deferred when as much again waits already
  Reject,  ///< 550 5.7.1
};
[[nodiscard]] const char* to_string(LimitAction action);

/// "100/1h" or "100/1h reject": at most `count` in any `window` (60 s to 31 days).
struct Limit {
  std::uint64_t count = 0;
  std::chrono::seconds window{0};
  LimitAction action = LimitAction::Defer;
  friend bool operator==(const Limit&, const Limit&) = default;
};
/// Error: Malformed. Units: m, h, d.
[[nodiscard]] Result<Limit> parse_limit(std::string_view text);
[[nodiscard]] std::string to_string(const Limit& limit);

/// Adds `text` to `limits`. Malformed: no limit, a second one of the same window, or one that can never be
/// reached beside another.
[[nodiscard]] Result<> add_limit(std::vector<Limit>& limits, std::string_view text);

/// What limits count.
enum class Counted : std::uint8_t { Messages, Recipients, FirstTime };
inline constexpr std::array kAllCounted{Counted::Messages, Counted::Recipients, Counted::FirstTime};
/// "messages", "recipients", "first_time": as the configuration writes it.
[[nodiscard]] const char* to_string(Counted what);

/// The limits of somebody or something.
struct LimitSet {
  std::array<std::vector<Limit>, kAllCounted.size()> lists;
  [[nodiscard]] std::vector<Limit>& of(Counted what) { return lists.at(static_cast<std::size_t>(what)); }
  [[nodiscard]] const std::vector<Limit>& of(Counted what) const {
    return lists.at(static_cast<std::size_t>(what));
  }
};

/// Own limits in place of those of the class, as lines: "messages 100/1h", "first_time none". What no line names stays as
/// the class has it, except that who has its own number of recipients has its own of first-time ones, or none.
struct LimitOverrides {
  std::array<std::optional<std::vector<Limit>>, kAllCounted.size()> lists;
  [[nodiscard]] LimitSet over(const LimitSet& base) const;
};
/// Error: Malformed.
[[nodiscard]] Result<LimitOverrides> parse_overrides(const std::vector<std::string>& lines);

/// The table [limits].
struct LimitConfig {
  std::array<LimitSet, 3> classes;  ///< person, app, bulk: of an account or an app password
  LimitSet ip;                      ///< of one client address
  LimitSet domain;                  ///< of all accounts of one domain
  LimitSet all;                     ///< of the whole server
};

}  // namespace postern::guard
