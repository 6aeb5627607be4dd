#include "delivery/retry.h"

#include <algorithm>

namespace postern::delivery {

Result<TimePoint> next_attempt(TimePoint accepted_at, unsigned attempts, TimePoint now,
                               const RetrySchedule& schedule, Rng& rng) {
  const TimePoint deadline = accepted_at + schedule.give_up_after;
  if (now >= deadline) return fail(Errc::NotFound, "the time to give up has passed");

  std::chrono::milliseconds wait = schedule.first;
  for (unsigned i = 1; i < attempts && wait < schedule.longest; ++i) wait *= 2;
  wait = std::min(wait, schedule.longest);

  // A burst that failed together must not come back together.
  const std::int64_t fifth = wait.count() / 5;
  std::uniform_int_distribution<std::int64_t> jitter(-fifth, fifth);
  wait += std::chrono::milliseconds{jitter(rng)};
  return std::min(now + wait, deadline);
}

}  // namespace postern::delivery
