#pragma once

#include "guard/watch/watch.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <istream>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace postern::guard {

using SenderClasses = std::unordered_map<std::string, SenderClass>;

/// Lines of "account<TAB>class"; class is person, app or bulk; empty lines and lines with # are skipped.
/// Error: Malformed, with the line's number.
[[nodiscard]] Result<SenderClasses> read_class_file(std::istream& in);

/// One line of a recorded history.
struct ReplayEvent {
  std::int64_t time = 0;
  std::string_view account;
  std::optional<net::IpAddress> ip;
  std::vector<WatchedRecipient> recipients;
  bool bounced = false;
};

/// Reads one line "time<TAB>account<TAB>ip<TAB>recipients<TAB>result" without its end into `out`, whose account
/// points into it. `ip` may be empty or "-": not known. Error: Malformed, what is wrong.
[[nodiscard]] Result<> parse_replay_line(std::string_view line, ReplayEvent& out);

/// Something the watch would have done.
struct ReplayAction {
  std::int64_t time = 0;
  std::string account;
  Action action = Action::None;  ///< Warn or Hold
  double score = 0;
  std::vector<std::string> reasons;
};

struct ReplaySummary {
  std::uint64_t events = 0;
  std::uint64_t recipients = 0;
  std::uint64_t accounts = 0;
  std::uint64_t active_account_days = 0;  ///< days (UTC) on which an account sent something
  double account_days = 0;                ///< from each account's first event to its last
  std::uint64_t warnings = 0;
  std::uint64_t holds = 0;
  std::uint64_t held_accounts = 0;
  std::uint64_t held_events = 0;
  std::uint64_t held_recipients = 0;
  std::uint64_t bad_lines = 0;
};

struct ReplayOptions {
  /// How long after a hold an operator releases it; none: never.
  std::optional<std::chrono::seconds> release_after;
  SenderClasses classes;
};

/// What one reads from and reports to.
struct ReplaySinks {
  std::function<void(const ReplayAction&)> action;
  /// A line that could not be used; it is left out and the rest goes on.
  std::function<void(std::uint64_t line, const std::string& what)> bad_line;
};

/// Runs the watch over a recorded history: a header line, then events ordered by time.
/// Error: Malformed when the header is not one. A line that is malformed or whose clock jumps back is reported
/// and left out.
[[nodiscard]] Result<ReplaySummary> replay(std::istream& in, const ReplayOptions& options,
                                           const ReplaySinks& sinks);

/// "4h", "90m", "2d", "30s". Error: Malformed.
[[nodiscard]] Result<std::chrono::seconds> parse_duration(std::string_view text);

}  // namespace postern::guard
