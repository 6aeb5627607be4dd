#include "queue/schedule.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace postern::queue {
namespace {

constexpr AccountId kAnna{1}, kBulk{2};
constexpr TimePoint kStart{std::chrono::milliseconds{1'700'000'000'000}};
using std::chrono::seconds;

/// A schedule whose flows always have more mail; each message taken stays in delivery until it is ended.
class ScheduleTest : public ::testing::Test {
 protected:
  /// Takes all of the next turn's room; who it was, "account/domain", or "" when there is none.
  std::string take_turn() {
    const std::optional<Schedule::Turn> turn = schedule_.next(now_);
    if (!turn) return "";
    for (std::size_t i = 0; i < turn->room; ++i)
      schedule_.begin(turn->account, {schedule_.site(turn->domain)});
    const std::string who = std::to_string(turn->account.value) + "/" + turn->domain;
    taken_[who] += turn->room;
    schedule_.seen(*turn, turn->after, std::nullopt);
    return who;
  }
  void take_all() {
    while (!take_turn().empty()) {
    }
  }
  void end(AccountId account, const std::string& site, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) schedule_.end(account, {site});
  }

  Schedule schedule_{100};
  TimePoint now_ = kStart;
  std::map<std::string, std::size_t> taken_;
};

TEST_F(ScheduleTest, NothingIsDueBeforeItsTime) {
  schedule_.add(kAnna, "a.example", kStart + seconds(10));
  EXPECT_EQ(take_turn(), "");
  now_ += seconds(10);
  EXPECT_EQ(take_turn(), "1/a.example");
}

TEST_F(ScheduleTest, AnEarlierTimeCounts) {
  schedule_.add(kAnna, "a.example", kStart + seconds(10));
  schedule_.add(kAnna, "a.example", kStart + seconds(5));
  schedule_.add(kAnna, "a.example", kStart + seconds(20));
  now_ += seconds(5);
  EXPECT_EQ(take_turn(), "1/a.example");
}

TEST_F(ScheduleTest, AccountsTakeTurnsHoweverManyDestinationsTheyHave) {
  for (int i = 0; i < 1000; ++i) schedule_.add(kBulk, "d" + std::to_string(i) + ".example", kStart);
  EXPECT_EQ(take_turn().substr(0, 2), "2/");
  schedule_.add(kAnna, "a.example", kStart);
  std::string who = take_turn();
  if (who != "1/a.example") who = take_turn();
  EXPECT_EQ(who, "1/a.example");
}

TEST_F(ScheduleTest, ASlowSiteLeavesRoomForOthers) {
  for (int account = 10; account < 60; ++account) schedule_.add(AccountId{account}, "slow.example", kStart);
  take_all();
  EXPECT_LE(schedule_.in_delivery(), 50U);
  schedule_.add(kAnna, "a.example", kStart);
  EXPECT_EQ(take_turn(), "1/a.example");
  EXPECT_GE(taken_["1/a.example"], 8U);
}

TEST_F(ScheduleTest, ManySlowSitesLeaveRoomForOthers) {
  for (int i = 0; i < 9; ++i)
    schedule_.add(AccountId{10 + i}, "slow" + std::to_string(i) + ".example", kStart);
  take_all();
  EXPECT_LE(schedule_.in_delivery(), 93U) << "nine of them leave nearly a tenth free";
}

TEST_F(ScheduleTest, DomainsOfOneSiteShareItsRoom) {
  schedule_.set_site_of([](std::string_view) { return std::string("provider"); });
  for (int i = 0; i < 500; ++i)
    schedule_.add(AccountId{10 + i}, "d" + std::to_string(i) + ".example", kStart);
  take_all();
  EXPECT_EQ(schedule_.in_delivery(), 50U);
  EXPECT_FALSE(schedule_.site_admits("d7.example"));
}

TEST_F(ScheduleTest, WhatWaitsForASiteGoesOnWhenThereIsRoom) {
  schedule_.add(kAnna, "slow.example", kStart);
  schedule_.add(kBulk, "slow.example", kStart);
  take_all();
  const std::size_t before = schedule_.in_delivery();
  EXPECT_FALSE(schedule_.take_news());
  end(kBulk, "slow.example", 10);
  EXPECT_TRUE(schedule_.take_news());
  take_all();
  EXPECT_EQ(schedule_.in_delivery(), before);
}

TEST_F(ScheduleTest, NobodyIsForgottenWhenASiteBecomesEmpty) {
  for (int account = 10; account < 40; ++account) schedule_.add(AccountId{account}, "slow.example", kStart);
  take_all();
  for (int account = 10; account < 40; ++account)
    end(AccountId{account}, "slow.example",
        std::exchange(taken_[std::to_string(account) + "/slow.example"], 0));
  EXPECT_EQ(schedule_.in_delivery(), 0U);
  std::map<std::string, int> turns;
  for (std::string who = take_turn(); !who.empty(); who = take_turn()) {
    ++turns[who];
    // What was parked again must come when this is over.
    const AccountId account{std::stoi(who)};
    end(account, "slow.example", std::exchange(taken_[who], 0));
    if (turns.size() == 30) break;
  }
  EXPECT_EQ(turns.size(), 30U);
}

TEST_F(ScheduleTest, AHeldAccountGetsNoTurn) {
  schedule_.hold(kAnna);
  schedule_.add(kAnna, "a.example", kStart);
  EXPECT_EQ(take_turn(), "");
  EXPECT_FALSE(schedule_.account_admits(kAnna));
  schedule_.release(kAnna);
  EXPECT_TRUE(schedule_.take_news());
  EXPECT_EQ(take_turn(), "1/a.example");
}

TEST_F(ScheduleTest, AFlowWithoutMailIsForgotten) {
  schedule_.add(kAnna, "a.example", kStart);
  const std::optional<Schedule::Turn> turn = schedule_.next(now_);
  ASSERT_TRUE(turn);
  schedule_.seen(*turn, std::nullopt, std::nullopt);
  EXPECT_EQ(schedule_.flows(), 0U);
}

TEST_F(ScheduleTest, WhatIsAddedDuringALookIsLookedFor) {
  schedule_.add(kAnna, "a.example", kStart);
  const std::optional<Schedule::Turn> turn = schedule_.next(now_);
  ASSERT_TRUE(turn);
  schedule_.add(kAnna, "a.example", kStart);
  schedule_.seen(*turn, std::nullopt, std::nullopt);
  EXPECT_EQ(take_turn(), "1/a.example");
}

// Law: whatever the order of events, when nothing is in delivery any more, all that is due gets a turn.
TEST(ScheduleLawTest, NothingThatIsDueIsForgotten) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 rng(seed);
    Schedule schedule(20);
    TimePoint now = kStart;
    std::map<std::pair<std::int64_t, std::string>, int> mail;  // waiting messages of each flow
    std::vector<std::pair<AccountId, std::string>> active;
    const auto turn = [&] {
      const std::optional<Schedule::Turn> next = schedule.next(now);
      if (!next) return false;
      int& left = mail[{next->account.value, next->domain}];
      for (std::size_t i = 0; i < next->room && left > 0; ++i, --left) {
        schedule.begin(next->account, {schedule.site(next->domain)});
        active.emplace_back(next->account, next->domain);
      }
      schedule.seen(*next, left > 0 ? std::optional(next->after) : std::nullopt, std::nullopt);
      return true;
    };
    const auto finish_one = [&] {
      std::swap(active[rng() % active.size()], active.back());
      schedule.end(active.back().first, {active.back().second});
      active.pop_back();
    };
    for (int step = 0; step < 400; ++step) {
      const AccountId account{static_cast<std::int64_t>(1 + rng() % 4)};
      switch (rng() % 6) {
        case 0: {
          const std::string domain(1, static_cast<char>('a' + rng() % 4));
          mail[{account.value, domain}] += static_cast<int>(rng() % 20);
          schedule.add(account, domain, now + seconds(rng() % 3));
          break;
        }
        case 1:
          if (rng() % 2 == 0) schedule.hold(account);
          break;
        case 2:
          schedule.release(account);
          break;
        case 3:
          now += seconds(1);
          break;
        case 4:
          if (!active.empty()) finish_one();
          break;
        default:
          turn();
      }
    }
    now += seconds(10);
    for (std::int64_t account = 1; account <= 4; ++account) schedule.release(AccountId{account});
    for (int i = 0; i < 10'000; ++i) {
      if (turn()) continue;
      if (active.empty()) break;
      finish_one();
    }
    for (const auto& [flow, left] : mail)
      ASSERT_EQ(left, 0) << "seed " << seed << ", account " << flow.first << ", " << flow.second;
    ASSERT_EQ(schedule.flows(), 0U);
  }
}

}  // namespace
}  // namespace postern::queue
