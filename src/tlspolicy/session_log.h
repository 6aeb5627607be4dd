#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "store/sqlite.h"
#include "tlspolicy/session.h"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace postern::tlspolicy {

/// A day in UTC, as days since 1970-01-01: what a report is about (RFC 8460 §4.1).
using Day = std::chrono::sys_days;
[[nodiscard]] inline Day day_of(TimePoint time) { return std::chrono::floor<std::chrono::days>(time); }

/// Sessions of one kind, counted.
struct SessionCount {
  SessionResult session;  ///< its time is the beginning of the day
  std::uint64_t count = 0;
};

/// A report that has to be made.
struct DueReport {
  Day day;
  std::string domain;
  unsigned attempts = 0;  ///< that failed
};

/// A report that waits to be made or sent, as an operator sees it.
struct PendingReport {
  DueReport report;
  std::uint64_t sessions = 0;
  std::uint64_t failures = 0;         ///< of the sessions
  std::optional<TimePoint> next_try;  ///< after an attempt that failed
};

/// A report that is over.
struct PastReport {
  Day day;
  std::string domain;
  TimePoint ended;
  bool sent = false;
  std::string detail;  ///< whom it went to, or why it was given up
};

/// How sessions went, per day and recipient domain, until they are reported.
///
/// Threads  safe from any thread; record() never waits for the disk, the rest does.
/// Durable  what flush() has written survives kill -9; it is called every few seconds, so a crash loses that much.
/// Limits   kMaxPending kinds of sessions wait for flush(), kMaxKinds are kept of a domain's day: what is beyond is
///          dropped, and logged once per flush.
/// Errors   Unavailable, Corrupt.
class SessionLog {
 public:
  static constexpr std::size_t kMaxPending = 20'000;
  static constexpr std::int64_t kMaxKinds = 1000;
  static constexpr std::chrono::days kPastDays{60};

  /// A damaged file is set aside, and a new one begins.
  [[nodiscard]] static Result<std::unique_ptr<SessionLog>> open(const std::string& path);

  void record(SessionResult session);
  [[nodiscard]] Result<> flush();

  /// Days before `today` of which no report was sent, and those whose attempts failed when they may be tried again.
  [[nodiscard]] Result<std::vector<DueReport>> due(Day today, TimePoint now, std::size_t most);
  [[nodiscard]] Result<std::vector<SessionCount>> sessions(Day day, const std::string& domain);
  /// Nobody wanted the report: its sessions are forgotten.
  [[nodiscard]] Result<> done(Day day, const std::string& domain);
  /// The report was sent or given up: its sessions are forgotten, what became of it is known for kPastDays.
  [[nodiscard]] Result<> done(const PastReport& report);
  [[nodiscard]] Result<> failed(Day day, const std::string& domain, TimePoint next_try);
  /// For operators: what waits, the oldest first, and what is over, the newest first.
  [[nodiscard]] Result<std::vector<PendingReport>> pending(std::size_t most);
  [[nodiscard]] Result<std::vector<PastReport>> past(std::size_t most);

 private:
  [[nodiscard]] static Result<std::unique_ptr<SessionLog>> open_file(const std::string& path);
  explicit SessionLog(store::Database database) : database_(std::move(database)) {}
  [[nodiscard]] Result<> add(const std::string& key, std::uint64_t count);
  [[nodiscard]] Result<> forget(Day day, const std::string& domain);

  std::mutex mutex_;  // of what is pending
  std::map<std::string, std::uint64_t> pending_;
  std::uint64_t dropped_ = 0;
  std::mutex disk_;
  store::Database database_;
};

}  // namespace postern::tlspolicy
