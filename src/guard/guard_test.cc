#include "guard/limits.h"
#include "guard/lockout.h"

#include <gtest/gtest.h>

namespace postern::guard {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Limit, ParsesWhatItPrints) {
  for (const char* text : {"100/1h", "5/1m", "1000/1d", "90/90m", "7/31d"})
    EXPECT_EQ(to_string(*parse_limit(text)), text);
  for (const char* bad : {"", "100", "100/h", "/1h", "0/1h", "-1/1h", "100/1x", "100/1h ", "1/32d", "100/0h",
                          "99999999999999999999/1h"}) {
    EXPECT_FALSE(parse_limit(bad)) << bad;
  }
}

std::array<ClassLimits, 3> person(const char* messages, const char* recipients) {
  return {ClassLimits{{*parse_limit(messages)}, {*parse_limit(recipients)}}, {}, {}};
}

TEST(Limits, AWindowRollsAndTheReasonSaysWhenItFrees) {
  FakeClock clock(TimePoint{seconds{1'795'521'600}});  // 2026-11-24 12:00:00
  Limits limits(person("3/1h", "100/1d"), clock);
  const AccountId alice{1};
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(limits.check(alice, 0, 1).accepted);
    limits.record(alice, 0, 1);
    clock.advance(minutes(10));
  }
  const Verdict refused = limits.check(alice, 0, 1);
  EXPECT_FALSE(refused.accepted);
  EXPECT_EQ(refused.reason, "message limit 3/1h reached: 3 used; frees at 2026-11-24 13:00:00 UTC");
  EXPECT_TRUE(limits.check(AccountId{2}, 0, 1).accepted) << "others are not touched";
  clock.advance(minutes(30));
  EXPECT_TRUE(limits.check(alice, 0, 1).accepted) << "the first has left the window";
  limits.record(alice, 0, 1);
  EXPECT_FALSE(limits.check(alice, 0, 1).accepted);
  clock.advance(hours(24));
  EXPECT_TRUE(limits.check(alice, 0, 100).accepted);
}

TEST(Limits, RecipientsCountTogetherWithThoseOfTheMessage) {
  FakeClock clock;
  Limits limits(person("100/1h", "10/1d"), clock);
  limits.record(AccountId{1}, 0, 8);
  EXPECT_TRUE(limits.check(AccountId{1}, 0, 2).accepted);
  const Verdict refused = limits.check(AccountId{1}, 0, 3);
  EXPECT_FALSE(refused.accepted);
  EXPECT_EQ(refused.reason.substr(0, 46), "recipient limit 10/1d reached: 8 used; frees a");
  EXPECT_EQ(limits.check(AccountId{1}, 0, 11).reason,
            "recipient limit 10/1d reached: 8 used; this message alone has 11");
  EXPECT_TRUE(limits.check(AccountId{1}, 1, 1000).accepted) << "a class without limits";
}

TEST(Lockout, GrowsAndEnds) {
  FakeClock clock;
  Lockout lockout({}, clock);
  const net::IpAddress ip = *net::IpAddress::parse("192.0.2.1");
  for (int i = 0; i < 4; ++i) lockout.failed(ip, "alice@example.org");
  EXPECT_TRUE(lockout.check(ip, "alice@example.org").accepted);
  lockout.failed(ip, "alice@example.org");
  EXPECT_FALSE(lockout.check(ip, "alice@example.org").accepted);
  clock.advance(seconds(61));
  EXPECT_TRUE(lockout.check(ip, "alice@example.org").accepted);
  lockout.failed(ip, "alice@example.org");
  clock.advance(seconds(61));
  EXPECT_FALSE(lockout.check(ip, "alice@example.org").accepted) << "doubled";
  clock.advance(hours(3));
  lockout.failed(ip, "alice@example.org");
  EXPECT_TRUE(lockout.check(ip, "alice@example.org").accepted) << "old failures are forgotten";
}

TEST(Lockout, TheOwnersPlaceStaysOpenWhileOthersGuess) {
  FakeClock clock;
  Lockout lockout({}, clock);
  const net::IpAddress home = *net::IpAddress::parse("192.0.2.1");
  lockout.succeeded(home, "alice@example.org");
  for (int i = 0; i < 50; ++i)
    lockout.failed(*net::IpAddress::parse("198.51.100." + std::to_string(i)), "Alice@example.org");
  EXPECT_TRUE(lockout.check(home, "alice@example.org").accepted);
  EXPECT_FALSE(lockout.check(*net::IpAddress::parse("203.0.113.1"), "alice@example.org").accepted);
  EXPECT_TRUE(lockout.check(*net::IpAddress::parse("203.0.113.1"), "bob@example.org").accepted);
}

TEST(Lockout, AKnownPlaceIsLockedByItsOwnFailuresOnlyAndLocksNobodyElse) {
  FakeClock clock;
  Lockout lockout({}, clock);
  const net::IpAddress office = *net::IpAddress::parse("192.0.2.1");
  lockout.succeeded(office, "alice@example.org");
  lockout.succeeded(office, "bob@example.org");
  for (int i = 0; i < 5; ++i) lockout.failed(office, "stranger" + std::to_string(i));
  EXPECT_FALSE(lockout.check(office, "new@example.org").accepted) << "the network is locked";
  EXPECT_TRUE(lockout.check(office, "alice@example.org").accepted);
  for (int i = 0; i < 5; ++i) lockout.failed(office, "bob@example.org");
  EXPECT_FALSE(lockout.check(office, "bob@example.org").accepted);
  EXPECT_TRUE(lockout.check(office, "alice@example.org").accepted);
  EXPECT_TRUE(lockout.check(*net::IpAddress::parse("203.0.113.1"), "bob@example.org").accepted);
  clock.advance(seconds(61));
  EXPECT_TRUE(lockout.check(office, "bob@example.org").accepted);
}

TEST(Lockout, ASuccessDoesNotForgiveTheNetwork) {
  FakeClock clock;
  Lockout lockout({}, clock);
  const net::IpAddress ip = *net::IpAddress::parse("198.51.100.1");
  for (int i = 0; i < 5; ++i) {
    lockout.failed(ip, "victim" + std::to_string(i));
    lockout.succeeded(ip, "own@example.org");
  }
  EXPECT_FALSE(lockout.check(ip, "victim9").accepted);
  EXPECT_TRUE(lockout.check(ip, "own@example.org").accepted);
}

TEST(Lockout, AnIpv6NetworkIsOneClient) {
  FakeClock clock;
  Lockout lockout({}, clock);
  for (int i = 1; i <= 5; ++i)
    lockout.failed(*net::IpAddress::parse("2001:db8::" + std::to_string(i)), "u" + std::to_string(i));
  EXPECT_FALSE(lockout.check(*net::IpAddress::parse("2001:db8::99"), "other").accepted);
  EXPECT_TRUE(lockout.check(*net::IpAddress::parse("2001:db8:0:1::99"), "other").accepted);
}

TEST(Limits, ReplacedLimitsKeepTheUseOfWindowsThatStay) {
  FakeClock clock;
  const auto with = [](std::vector<Limit> messages) {
    return std::array{ClassLimits{std::move(messages), {}}, ClassLimits{}, ClassLimits{}};
  };
  using std::chrono::hours;
  Limits limits(with({{3, hours{1}}, {9, hours{24}}}), clock);
  const AccountId id{7};
  for (int i = 0; i < 3; ++i) limits.record(id, 0, 1);
  EXPECT_FALSE(limits.check(id, 0, 1).accepted);
  limits.replace(with({{5, hours{1}}}));
  EXPECT_TRUE(limits.check(id, 0, 1).accepted) << "3 of 5 are used";
  limits.replace(with({{100, hours{2}}, {3, hours{1}}}));
  EXPECT_FALSE(limits.check(id, 0, 1).accepted) << "the window of an hour still knows of three";
  limits.replace(with({{1, hours{2}}}));
  EXPECT_TRUE(limits.check(id, 0, 1).accepted) << "a new window starts at nothing";
}

}  // namespace
}  // namespace postern::guard
