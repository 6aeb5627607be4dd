#include "delivery/pace.h"

#include <gtest/gtest.h>

namespace postern::delivery {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class PaceTest : public ::testing::Test {
 protected:
  /// Takes connections until refused.
  unsigned take_all(Pace& pace, Urgency urgency = Urgency::Prompt) {
    unsigned taken = 0;
    while (pace.take_connection(now_, urgency)) ++taken;
    return taken;
  }
  static void give(Pace& pace, unsigned count) {
    for (unsigned i = 0; i < count; ++i) pace.give_connection();
  }
  static Attempt slow(milliseconds at_least = {}) {
    Outcome outcome = local_outcome(Decision::Retry, "4.7.0", "421 4.7.0 slow down");
    outcome.wait = at_least;
    return {outcome, nullptr};
  }

  SteadyTime now_{std::chrono::hours{1}};
  Rng rng_{1};
};

TEST_F(PaceTest, ConnectionsGrowWithSuccessUpToTheLimit) {
  Pace pace({.first_connections = 2, .max_connections = 6});
  for (int i = 0; i < 3; ++i) pace.succeeded();
  EXPECT_EQ(pace.limit(), 5U);
  for (int i = 0; i < 30; ++i) pace.succeeded();
  EXPECT_EQ(pace.limit(), 6U);
}

TEST_F(PaceTest, BulkMailLeavesAConnectionToPromptMail) {
  Pace pace({.first_connections = 6, .max_connections = 6});
  EXPECT_EQ(take_all(pace, Urgency::Bulk), 5U);
  EXPECT_EQ(take_all(pace), 1U);
  Pace narrow({.first_connections = 1, .max_connections = 1});
  EXPECT_EQ(take_all(narrow, Urgency::Bulk), 1U) << "with one connection there is nothing to leave";
}

TEST_F(PaceTest, PushBackHalvesAndPauses) {
  Pace pace({.first_connections = 8, .max_connections = 20, .first_pause = seconds{30}});
  pace.pushed_back(slow(), now_, rng_);
  EXPECT_EQ(pace.limit(), 4U);
  EXPECT_FALSE(pace.take_connection(now_, Urgency::Prompt));
  const auto pause = pace.paused(now_);
  ASSERT_TRUE(pause);
  EXPECT_GE(pause->until, now_ + seconds{30});
  EXPECT_LE(pause->until, now_ + seconds{36});
  EXPECT_EQ(pause->why.outcome.text, "421 4.7.0 slow down");
  // Other connections hear the same in the same moment: that is one push-back.
  pace.pushed_back(slow(), now_ + seconds{1}, rng_);
  EXPECT_EQ(pace.limit(), 4U);
}

TEST_F(PaceTest, PausesDoubleAndEndWithSuccess) {
  Pace pace({.first_pause = seconds{30}});
  milliseconds before{0};
  for (int i = 0; i < 5; ++i) {
    pace.pushed_back(slow(), now_, rng_);
    const milliseconds pause = std::chrono::ceil<milliseconds>(pace.paused(now_)->until - now_);
    EXPECT_GT(pause, before);
    before = pause;
    now_ = pace.paused(now_)->until;
  }
  EXPECT_GE(before, minutes{8});
  for (int i = 0; i < 10; ++i) {
    pace.pushed_back(slow(), now_, rng_);
    now_ = pace.paused(now_)->until;
  }
  pace.succeeded();
  pace.pushed_back(slow(), now_, rng_);
  EXPECT_LE(pace.paused(now_)->until, now_ + seconds{36});
}

TEST_F(PaceTest, ARuleMayAskForMore) {
  Pace pace({.first_pause = seconds{30}});
  pace.pushed_back(slow(minutes{20}), now_, rng_);
  EXPECT_GE(pace.paused(now_)->until, now_ + minutes{20});
}

TEST_F(PaceTest, DeadSiteIsAskedByOneConnectionAndComesBackSlowly) {
  Pace pace({.first_connections = 5, .max_connections = 20, .first_pause = seconds{30}});
  ASSERT_TRUE(pace.take_connection(now_, Urgency::Prompt));
  pace.give_connection();
  EXPECT_TRUE(pace.unreachable(slow(), now_, rng_));
  EXPECT_EQ(take_all(pace), 0U);
  now_ = pace.paused(now_)->until;
  EXPECT_EQ(take_all(pace), 1U) << "the probe";
  pace.succeeded();
  give(pace, 1);
  EXPECT_LE(take_all(pace), 3U) << "no thundering herd";
}

TEST_F(PaceTest, RefusedWhileOthersAreUpOnlyLimitsTheirNumber) {
  Pace pace({.first_connections = 5, .max_connections = 20});
  ASSERT_TRUE(pace.take_connection(now_, Urgency::Prompt));
  ASSERT_TRUE(pace.take_connection(now_, Urgency::Prompt));
  EXPECT_FALSE(pace.unreachable(slow(), now_, rng_));
  EXPECT_FALSE(pace.paused(now_));
  EXPECT_EQ(pace.limit(), 2U);
}

TEST_F(PaceTest, RateIsABucketThatFillsEvenly) {
  Pace pace({.rate = {10, seconds{10}}});
  for (int i = 0; i < 10; ++i) EXPECT_EQ(pace.take_message(now_), now_) << i;
  const SteadyTime next = pace.take_message(now_);
  EXPECT_GT(next, now_ + milliseconds{900});
  EXPECT_LT(next, now_ + milliseconds{1100});
  EXPECT_EQ(pace.next_message(next), next);
  EXPECT_EQ(pace.take_message(next), next);
  EXPECT_GT(pace.take_message(next), next);
}

TEST_F(PaceTest, WhatIsSentAwayComesBackOneAfterTheOther) {
  Pace pace({});
  milliseconds last{0};
  for (int i = 0; i < 50; ++i) {
    const milliseconds turn = pace.take_turn(now_, seconds{10}, milliseconds{200});
    EXPECT_GE(turn, seconds{10});
    EXPECT_GE(turn, last + milliseconds{200});
    last = turn;
  }
  for (int i = 0; i < 100'000; ++i)
    last = std::max(last, pace.take_turn(now_, seconds{10}, milliseconds{200}));
  EXPECT_LE(last, minutes{16}) << "never so far that nobody looks again";
}

TEST_F(PaceTest, BudgetsAreSharedByName) {
  Paces paces;
  const auto a = paces.of("gmail", {.max_connections = 3}, now_);
  EXPECT_EQ(paces.of("gmail", {}, now_), a);
  EXPECT_NE(paces.of("yahoo", {}, now_), a);
  a->pushed_back(slow(), now_, rng_);
  paces.resume_all();
  EXPECT_FALSE(a->paused(now_));
}

}  // namespace
}  // namespace postern::delivery
