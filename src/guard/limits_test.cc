#include "guard/limits.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <thread>

namespace postern::guard {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using Texts = std::vector<std::string>;

const TimePoint kNoon{seconds{1'795'521'600}};  // 2026-11-24 12:00:00

TEST(Limit, ParsesWhatItPrints) {
  for (const char* text : {"100/1h", "5/1m", "1000/1d", "90/90m", "7/31d", "3/1h delay", "3/1h reject"})
    EXPECT_EQ(to_string(*parse_limit(text)), text);
  EXPECT_EQ(to_string(*parse_limit("3/1h defer")), "3/1h");
  for (const char* bad :
       {"", "100", "100/h", "/1h", "0/1h", "-1/1h", "100/1x", "100/1h ", "1/32d", "100/0h", "1/30s",
        "99999999999999999999/1h", "2000000000/1h", "3/1h Reject", "3/1h delay x"}) {
    EXPECT_FALSE(parse_limit(bad)) << bad;
  }
}

TEST(Limit, ThoseThatContradictEachOtherAreNamed) {
  const auto why = [](Texts texts) {
    std::vector<Limit> limits;
    for (const std::string& text : texts) {
      if (const Result<> added = add_limit(limits, text); !added) return added.error().detail;
    }
    return std::string("fine");
  };
  EXPECT_EQ(why({"100/1h", "500/1d", "5/1m"}), "fine");
  EXPECT_EQ(why({"100/1h", "100/1d"}), "fine");
  EXPECT_EQ(why({"100/1h", "60/60m reject"}),
            "\"60/60m reject\" contradicts \"100/1h\": one window has one limit");
  const std::string never = ": the shorter window allows more than the longer one, so it is never reached";
  EXPECT_EQ(why({"501/1h", "500/1d"}), "\"501/1h\" contradicts \"500/1d\"" + never);
  EXPECT_EQ(why({"500/1d", "501/1h"}), "\"501/1h\" contradicts \"500/1d\"" + never);
}

LimitSet set_of(const Texts& lines) { return parse_overrides(lines)->over({}); }

LimitConfig person(const Texts& lines) {
  LimitConfig config;
  config.classes[0] = set_of(lines);
  return config;
}

Sender alice() {
  Sender sender;
  sender.account = AccountId{1};
  sender.address = "alice@example.org";
  sender.client = *net::IpAddress::parse("192.0.2.1");
  return sender;
}

Sender bob() {
  Sender sender = alice();
  sender.account = AccountId{2};
  sender.address = "bob@example.org";
  return sender;
}

TEST(Limits, AWindowRollsAndTheReasonSaysWhenItFrees) {
  FakeClock clock(kNoon);
  Limits limits(person({"messages 3/1h", "recipients 100/1d"}), clock);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(limits.take(alice(), {1, 0}, {}).verdict.accepted);
    clock.advance(minutes(10));
  }
  const Verdict refused = limits.check(alice(), {1, 0});
  EXPECT_FALSE(refused.accepted);
  EXPECT_FALSE(refused.permanent);
  EXPECT_EQ(
      refused.reason,
      "message limit 3/1h of account alice@example.org reached: 3 used; frees at 2026-11-24 13:00:00 UTC");
  EXPECT_TRUE(limits.check(bob(), {1, 0}).accepted) << "others are not touched";
  clock.advance(minutes(30) - std::chrono::milliseconds{1});
  EXPECT_FALSE(limits.check(alice(), {1, 0}).accepted) << "not a moment too early";
  clock.advance(std::chrono::milliseconds{1});
  EXPECT_TRUE(limits.take(alice(), {1, 0}, {}).verdict.accepted) << "the first has left the window";
  EXPECT_FALSE(limits.take(alice(), {1, 0}, {}).verdict.accepted);
  clock.advance(hours(24));
  EXPECT_TRUE(limits.check(alice(), {100, 0}).accepted);
}

TEST(Limits, RecipientsCountTogetherWithThoseOfTheMessage) {
  FakeClock clock;
  Limits limits(person({"messages 100/1h", "recipients 10/1d"}), clock);
  EXPECT_TRUE(limits.take(alice(), {8, 0}, {}).verdict.accepted);
  EXPECT_TRUE(limits.check(alice(), {2, 0}).accepted);
  EXPECT_FALSE(limits.check(alice(), {3, 0}).accepted);
  EXPECT_EQ(limits.check(alice(), {11, 0}).reason,
            "recipient limit 10/1d of account alice@example.org reached: 8 used; this message alone has 11");
  Sender other = alice();
  other.kind = 1;
  EXPECT_TRUE(limits.check(other, {1000, 0}).accepted) << "a class without limits";
  limits.give_back(alice(), {8, 0});
  EXPECT_TRUE(limits.check(alice(), {10, 0}).accepted) << "what was not accepted does not count";
}

TEST(Limits, FirstTimeRecipientsAreThoseTheAccountHasNotWrittenTo) {
  FakeClock clock;
  Limits limits(person({"first_time 2/1d reject"}), clock);
  const auto send = [&](const Sender& sender, const Texts& to) {
    Tally tally;
    for (const std::string& one : to) limits.count(sender, one, tally);
    return limits.take(sender, tally, to).verdict;
  };
  EXPECT_TRUE(send(alice(), {"a@x.example", "b@x.example"}).accepted);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(send(alice(), {"A@X.example", "b@x.example"}).accepted);
  const Verdict refused = send(alice(), {"a@x.example", "c@x.example"});
  EXPECT_FALSE(refused.accepted);
  EXPECT_TRUE(refused.permanent);
  EXPECT_TRUE(refused.reason.starts_with("first-time recipient limit 2/1d reject of account"))
      << refused.reason;
  EXPECT_TRUE(send(bob(), {"c@x.example"}).accepted);
  clock.advance(hours(25));
  EXPECT_TRUE(send(alice(), {"c@x.example"}).accepted);
}

TEST(Limits, ADelayPacesAndIsBoundedByAsMuchAgain) {
  FakeClock clock(kNoon);
  Limits limits(person({"messages 2/1h delay"}), clock);
  EXPECT_FALSE(limits.take(alice(), {1, 0}, {}).verdict.not_before);
  clock.advance(minutes(10));
  EXPECT_FALSE(limits.take(alice(), {1, 0}, {}).verdict.not_before);
  const Verdict third = limits.take(alice(), {1, 0}, {}).verdict;
  EXPECT_TRUE(third.accepted);
  EXPECT_EQ(third.not_before, kNoon + hours(1));
  const Verdict fourth = limits.take(alice(), {1, 0}, {}).verdict;
  EXPECT_EQ(fourth.not_before, kNoon + minutes(70));
  EXPECT_FALSE(limits.take(alice(), {1, 0}, {}).verdict.accepted) << "twice the limit is spoken for";
}

TEST(Limits, ClientDomainAndServerAreCountedOverAllAccounts) {
  struct Case {
    const char* name;
    LimitSet LimitConfig::*which;
    const char* reason;
  };
  for (const Case& c : {Case{"ip", &LimitConfig::ip, "of client 192.0.2.1 reached"},
                        Case{"domain", &LimitConfig::domain, "of domain example.org reached"},
                        Case{"all", &LimitConfig::all, "of this server reached"}}) {
    FakeClock clock;
    LimitConfig config;
    config.*c.which = set_of({"messages 2/1h"});
    Limits limits(config, clock);
    EXPECT_TRUE(limits.take(alice(), {}, {}).verdict.accepted);
    EXPECT_TRUE(limits.take(bob(), {}, {}).verdict.accepted);
    EXPECT_NE(limits.take(alice(), {}, {}).verdict.reason.find(c.reason), std::string::npos) << c.name;
    Sender elsewhere = alice();
    elsewhere.client = *net::IpAddress::parse("2001:db8::1");
    elsewhere.address = "alice@example.com";
    EXPECT_EQ(limits.take(elsewhere, {}, {}).verdict.accepted, c.which != &LimitConfig::all) << c.name;
  }
}

TEST(Limits, OverridesReplaceWhatTheyName) {
  FakeClock clock;
  Limits limits(person({"messages 1/1h", "recipients 5/1h"}), clock);
  Sender own = alice();
  own.own_limits = std::make_shared<const Texts>(Texts{"messages 3/1h"});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limits.take(own, {1, 0}, {}).verdict.accepted);
  EXPECT_FALSE(limits.take(own, {1, 0}, {}).verdict.accepted);
  EXPECT_FALSE(limits.check(bob(), {6, 0}).accepted);
  own.own_limits = std::make_shared<const Texts>(Texts{"messages none"});
  EXPECT_TRUE(limits.take(own, {1, 0}, {}).verdict.accepted);
  EXPECT_FALSE(limits.take(own, {3, 0}, {}).verdict.accepted) << "recipients are as the class has them";
  own.own_limits = std::make_shared<const Texts>(Texts{"recipients 9/1h"});
  limits.replace(person({"recipients 5/1h", "first_time 1/1h"}));
  EXPECT_TRUE(limits.check(own, {2, 2}).accepted) << "whoever has own recipients has own first-time ones";
  for (const char* bad : {"messages", "mails 1/1h", "messages 0/1h", ""})
    EXPECT_FALSE(parse_overrides({bad})) << bad;
}

TEST(Limits, AnAppPasswordCountsBesideItsAccountOrApart) {
  FakeClock clock;
  LimitConfig config = person({"messages 5/1h"});
  config.classes[2] = set_of({"messages 100/1h"});
  Limits limits(config, clock);
  Sender program = alice();
  program.app_password = 7;
  program.app_password_limits = std::make_shared<const Texts>(Texts{"messages 2/1h"});
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(limits.take(program, {}, {}).verdict.accepted);
  EXPECT_NE(limits.take(program, {}, {}).verdict.reason.find("of this app password of alice"),
            std::string::npos);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limits.take(alice(), {}, {}).verdict.accepted);
  EXPECT_FALSE(limits.take(alice(), {}, {}).verdict.accepted) << "two of its five went to the program";
  Sender news = alice();
  news.app_password = 8;
  news.apart = true;
  news.kind = 2;
  EXPECT_TRUE(limits.take(news, {}, {}).verdict.accepted);
  EXPECT_EQ(limits.allowances(news).front().used, 1U);
}

TEST(Limits, ComingNearIsToldOnceUntilTheUseHasHalved) {
  FakeClock clock(kNoon);
  Limits limits(person({"messages 10/1h"}), clock);
  const auto told = [&] { return limits.take(alice(), {}, {}).near.size(); };
  for (int i = 0; i < 7; ++i) EXPECT_EQ(told(), 0U) << i;
  const Limits::Taken eighth = limits.take(alice(), {}, {});
  ASSERT_EQ(eighth.near.size(), 1U);
  EXPECT_EQ(eighth.near[0].used, 8U);
  EXPECT_EQ(eighth.near[0].next_frees, kNoon + hours(1));
  EXPECT_EQ(told(), 0U);
  clock.advance(hours(2));
  for (int i = 0; i < 7; ++i) EXPECT_EQ(told(), 0U) << i;
  EXPECT_EQ(told(), 1U);
}

TEST(Limits, ReplacedLimitsKeepTheUseOfWindowsThatStay) {
  FakeClock clock;
  Limits limits(person({"messages 3/1h", "messages 9/1d"}), clock);
  const auto fits = [&] { return limits.check(alice(), {}).accepted; };
  for (int i = 0; i < 3; ++i) (void)limits.take(alice(), {}, {});
  EXPECT_FALSE(fits());
  limits.replace(person({"messages 5/1h"}));
  EXPECT_TRUE(fits()) << "3 of 5 are used";
  limits.replace(person({"messages 100/2h", "messages 3/1h"}));
  EXPECT_FALSE(fits()) << "the window of an hour still knows of three";
  limits.replace(person({"messages 1/2h"}));
  EXPECT_TRUE(fits()) << "a new window starts at nothing";
}

TEST(Limits, AClockThatJumpsFreesNothingEarlyAndLocksNobodyOut) {
  FakeClock clock(kNoon);
  Limits limits(person({"messages 2/1h"}), clock);
  for (int i = 0; i < 2; ++i) (void)limits.take(alice(), {}, {});
  clock.advance(-minutes(30));
  EXPECT_FALSE(limits.check(alice(), {}).accepted);
  clock.advance(hours(24 * 365));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(limits.take(alice(), {}, {}).verdict.accepted);
  clock.advance(-hours(24 * 365));
  EXPECT_FALSE(limits.check(alice(), {}).accepted);
  clock.advance(hours(1));
  EXPECT_TRUE(limits.check(alice(), {}).accepted);
}

TEST(Limits, NoTwoMessagesTakeTheSameRoom) {
  FakeClock clock;
  Limits limits(person({"messages 100/1h"}), clock);
  std::atomic<int> accepted{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) accepted += limits.take(alice(), {}, {}).verdict.accepted ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(accepted, 100);
}

class StoredLimitsTest : public testing::Test {
 protected:
  StoredLimitsTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "postern-limits-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~StoredLimitsTest() override { std::filesystem::remove_all(path_); }
  std::unique_ptr<Limits> open(const Texts& lines) {
    auto limits = Limits::open(path_ + "/limits.db", person(lines), clock_);
    EXPECT_TRUE(limits) << limits.error().detail;
    return limits ? *std::move(limits) : nullptr;
  }
  std::string path_;
  FakeClock clock_{kNoon};
};

TEST_F(StoredLimitsTest, UseAndKnownRecipientsOutliveTheProcess) {
  const Texts lines{"messages 3/1h", "messages 3/1d", "first_time 1/1h"};
  const auto fits = [](Limits& limits, const char* to) {
    Tally tally;
    limits.count(alice(), to, tally);
    return limits.check(alice(), tally).accepted;
  };
  {
    const auto limits = open({"messages 9/1h", "messages 30/1d", "first_time 1/1h"});
    (void)limits->take(alice(), {1, 1}, {"a@x.example"});
    EXPECT_TRUE(fits(*limits, "a@x.example"));
    EXPECT_FALSE(fits(*limits, "b@x.example"));
    (void)limits->take(alice(), {}, {});
  }
  const auto limits = open(lines);
  EXPECT_TRUE(fits(*limits, "a@x.example")) << "known, and two of three are used";
  EXPECT_FALSE(fits(*limits, "b@x.example"));
  EXPECT_TRUE(limits->take(alice(), {}, {}).verdict.accepted);
  EXPECT_FALSE(fits(*limits, "a@x.example"));
  EXPECT_TRUE(limits->check(bob(), {}).accepted);
}

TEST_F(StoredLimitsTest, WhatWasSavedSurvivesWithoutAnOrderlyEnd) {
  const auto first = open({"messages 2/1h"});
  (void)first->take(alice(), {}, {});
  (void)first->take(alice(), {}, {});
  ASSERT_TRUE(first->save());
  const auto second = open({"messages 2/1h"});
  EXPECT_FALSE(second->check(alice(), {}).accepted);
}

TEST_F(StoredLimitsTest, MemoryIsBoundedAndNothingIsForgotten) {
  const auto limits = open({"messages 1/1d"});
  const auto number = [](std::int64_t i) {
    Sender sender;
    sender.account = AccountId{i};
    sender.address = "u@example.org";
    return sender;
  };
  constexpr std::int64_t kAccounts = Limits::kMaxInMemory + 5000;
  for (std::int64_t i = 1; i <= kAccounts; ++i) {
    EXPECT_TRUE(limits->take(number(i), {}, {}).verdict.accepted);
    if (i % 1000 == 0) {
      ASSERT_TRUE(limits->save());
    }
    clock_.advance(std::chrono::milliseconds{1});
  }
  EXPECT_LE(limits->in_memory(), Limits::kMaxInMemory);
  for (const std::int64_t i : {std::int64_t{1}, std::int64_t{7000}, kAccounts})
    EXPECT_FALSE(limits->check(number(i), {}).accepted) << i;
  const auto octets = std::filesystem::file_size(path_ + "/limits.db");
  EXPECT_LT(octets / kAccounts, 300U) << "octets an account";
}

TEST(Use, WhatIsDamagedReadsAsNothingUsed) {
  Use use;
  use.count(Counted::Messages, hours(1)).add(kNoon, 300);
  use.known = std::make_unique<Use::Known>();
  use.known->add(42);
  const std::string good = use.encoded();
  Use back = Use::decoded(good);
  EXPECT_EQ(back.count(Counted::Messages, hours(1)).total(kNoon), 300U);
  EXPECT_TRUE(back.known->contains(42));
  EXPECT_EQ(back.encoded(), good);
  for (std::size_t size = 0; size < good.size(); ++size)
    (void)Use::decoded(std::string_view(good).substr(0, size));
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = '\xff';
    (void)Use::decoded(bad).encoded();
  }
}

}  // namespace
}  // namespace postern::guard
