#include "delivery/retry.h"

#include <gtest/gtest.h>

namespace postern::delivery {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr RetrySchedule kSchedule{minutes{30}, hours{4}, hours{120}};
constexpr TimePoint kAccepted{milliseconds{1'700'000'000'000}};

struct Case {
  const char* name;
  unsigned attempts;
  milliseconds nominal;
};

class RetryTest : public testing::TestWithParam<Case> {};

TEST_P(RetryTest, WaitsNominalTimeWithinTwentyPercent) {
  Rng rng(1);
  for (int i = 0; i < 200; ++i) {
    const Result<TimePoint> next = next_attempt(kAccepted, GetParam().attempts, kAccepted, kSchedule, rng);
    ASSERT_TRUE(next) << next.error().detail;
    const milliseconds wait = *next - kAccepted;
    EXPECT_GE(wait, GetParam().nominal * 8 / 10);
    EXPECT_LE(wait, GetParam().nominal * 12 / 10);
  }
}

INSTANTIATE_TEST_SUITE_P(Rfc5321Section4541, RetryTest,
                         testing::Values(Case{"first", 1, minutes{30}}, Case{"second", 2, minutes{60}},
                                         Case{"third", 3, minutes{120}}, Case{"fourth", 4, hours{4}},
                                         Case{"never_longer", 40, hours{4}}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Rfc5321Section4541, LastAttemptIsAtTheDeadlineAndThenNoMore) {
  Rng rng(1);
  const TimePoint deadline = kAccepted + kSchedule.give_up_after;
  const Result<TimePoint> last = next_attempt(kAccepted, 30, deadline - minutes{1}, kSchedule, rng);
  ASSERT_TRUE(last) << last.error().detail;
  EXPECT_EQ(*last, deadline);
  const Result<TimePoint> none = next_attempt(kAccepted, 31, deadline, kSchedule, rng);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::NotFound);
}

TEST(Rfc5321Section4541, AcceleratedClockMakesTheExpectedNumberOfAttempts) {
  Rng rng(7);
  FakeClock clock(kAccepted);
  unsigned attempts = 1;
  while (true) {
    const Result<TimePoint> next = next_attempt(kAccepted, attempts, clock.now(), kSchedule, rng);
    if (!next) break;
    clock.advance(*next - clock.now());
    ++attempts;
  }
  EXPECT_EQ(clock.now(), kAccepted + kSchedule.give_up_after);
  EXPECT_GE(attempts, 27U);  // three short waits, then 116.5 h in steps of 3.2 to 4.8 h
  EXPECT_LE(attempts, 41U);
}

}  // namespace
}  // namespace postern::delivery
