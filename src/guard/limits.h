#pragma once

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "guard/verdict.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace postern::guard {

/// "100/1h": at most `count` in any `window` (60 s to 31 days).
struct Limit {
  std::uint64_t count = 0;
  std::chrono::seconds window{0};
  friend bool operator==(const Limit&, const Limit&) = default;
};
/// Error: Malformed. Units: m, h, d.
[[nodiscard]] Result<Limit> parse_limit(std::string_view text);
[[nodiscard]] std::string to_string(const Limit& limit);

/// The limits of one class of accounts: the table [limits.CLASS].
struct ClassLimits {
  std::vector<Limit> messages;
  std::vector<Limit> recipients;
};

/// How much each account has sent lately.
///
/// Counts messages and recipients that were accepted, nothing else: no refused attempts, DSNs or retries.
/// Windows roll: each is kept in 60 slices, so that use frees up a slice at a time, at most 1/60 of the
/// window late.
/// Threads  safe from any thread.
/// Limits   some hundred octets per account that sent within its longest window; starts empty after a
///          restart.
class Limits {
 public:
  Limits(std::array<ClassLimits, 3> classes, const Clock& clock)
      : classes_(std::move(classes)), clock_(clock) {}

  /// Whether account `id` of class number `kind` may send one more message, with `recipients` recipients so
  /// far.
  [[nodiscard]] Verdict check(AccountId id, std::size_t kind, std::uint64_t recipients);
  /// Other limits from now on. Use within a window that stays is kept, of a new window it starts at nothing.
  void replace(std::array<ClassLimits, 3> classes);
  /// A message of `recipients` recipients was accepted.
  void record(AccountId id, std::size_t kind, std::uint64_t recipients);

 private:
  static constexpr std::size_t kSlices = 60;
  struct Window {
    std::array<std::uint32_t, kSlices> slices{};
    std::int64_t newest = 0;
    void advance(std::int64_t slice);
    [[nodiscard]] std::uint64_t total() const;
  };
  struct Use {
    std::size_t kind = 0;
    std::vector<Window> messages;
    std::vector<Window> recipients;
    TimePoint last;
  };
  [[nodiscard]] Verdict check_one(const char* what, const std::vector<Limit>& limits,
                                  std::vector<Window>& windows, std::uint64_t more);
  static void carry(Use& use, const ClassLimits& before, const ClassLimits& after);
  [[nodiscard]] Use& use_of(AccountId id, std::size_t kind);
  void forget_idle();

  std::array<ClassLimits, 3> classes_;
  const Clock& clock_;
  std::mutex mutex_;
  std::unordered_map<AccountId, Use> uses_;
  std::size_t forget_at_ = 10'000;
};

}  // namespace postern::guard
