#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <chrono>
#include <random>

namespace postern::delivery {

/// Source of jitter and of the random order of equal MX hosts. Not for secrets.
using Rng = std::mt19937_64;

/// How waiting grows and when it ends; the defaults and their bounds are in options.h.
struct RetrySchedule {
  std::chrono::milliseconds first;
  std::chrono::milliseconds longest;
  std::chrono::milliseconds give_up_after;
};

/// When a recipient of a message accepted at `accepted_at` should next be tried, after `attempts` failures
/// (>= 1). Doubles from `first` to `longest`, with ±20 % jitter (RFC 5321 §4.5.4.1: the interval SHOULD be at
/// least 30 min, and back-off is wanted). The last attempt is made at the moment of giving up, not earlier.
/// @return NotFound when `give_up_after` has passed: return the mail now. Pure: `now` and `rng` are
/// parameters.
[[nodiscard]] Result<TimePoint> next_attempt(TimePoint accepted_at, unsigned attempts, TimePoint now,
                                             const RetrySchedule& schedule, Rng& rng);

}  // namespace postern::delivery
