#include "guard/lockout.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

namespace postern::guard {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

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

net::IpAddress ip(const std::string& text) { return *net::IpAddress::parse(text); }

TEST(Lockout, ANetworkIsLockedByItsAddressesTogether) {
  struct Case {
    const char* name;
    std::string base, inside, outside;
  };
  for (const Case& c : {Case{"/24", "198.51.100.", "198.51.100.250", "198.51.101.1"},
                        Case{"/48", "2001:db8:1:", "2001:db8:1:ffff::1", "2001:db8:2::1"}}) {
    FakeClock clock;
    Lockout lockout({}, clock);
    lockout.succeeded(ip(c.inside), "owner@example.org");
    const std::string end = c.base.ends_with(':') ? "::1" : "";
    for (int i = 0; i < 20; ++i) {
      EXPECT_TRUE(lockout.check(ip(c.inside), "x").accepted) << c.name << i;
      lockout.failed(ip(c.base + std::to_string(i) + end), "u" + std::to_string(i));
    }
    EXPECT_FALSE(lockout.check(ip(c.inside), "x").accepted) << c.name;
    EXPECT_TRUE(lockout.check(ip(c.outside), "x").accepted) << c.name;
    EXPECT_TRUE(lockout.check(ip(c.inside), "owner@example.org").accepted) << c.name << ": a known place";
  }
}

TEST(Lockout, AnAttackFromEverywhereLocksAddressesAtOnceUntilItEnds) {
  FakeClock clock;
  Lockout lockout({}, clock);
  lockout.succeeded(ip("192.0.2.1"), "alice@example.org");
  for (int i = 0; i < 50; ++i)
    lockout.failed(ip("10.0." + std::to_string(i) + ".1"), "u" + std::to_string(i));
  EXPECT_TRUE(lockout.check(ip("203.0.113.1"), "bob@example.org").accepted) << "who has not failed";
  lockout.failed(ip("203.0.113.1"), "bob@example.org");
  EXPECT_FALSE(lockout.check(ip("203.0.113.1"), "carol@example.org").accepted);
  lockout.failed(ip("192.0.2.1"), "alice@example.org");
  EXPECT_TRUE(lockout.check(ip("192.0.2.1"), "alice@example.org").accepted) << "a known place";
  clock.advance(minutes(25));
  lockout.failed(ip("203.0.113.2"), "dave@example.org");
  EXPECT_TRUE(lockout.check(ip("203.0.113.2"), "dave@example.org").accepted) << "it is over";
}

TEST(Lockout, ElsewhereInTheOwnersNetworkTheAccountsLockDoesNotCount) {
  FakeClock clock;
  Lockout lockout({}, clock);
  lockout.succeeded(ip("192.0.2.1"), "alice@example.org");
  for (int i = 0; i < 9; ++i) lockout.failed(ip("10.0." + std::to_string(i) + ".1"), "alice@example.org");
  EXPECT_TRUE(lockout.check(ip("192.0.2.77"), "alice@example.org").accepted);
  EXPECT_FALSE(lockout.check(ip("192.0.3.77"), "alice@example.org").accepted);
  for (int i = 0; i < 5; ++i) lockout.failed(ip("192.0.2.77"), "alice@example.org");
  EXPECT_FALSE(lockout.check(ip("192.0.2.77"), "alice@example.org").accepted) << "its own failures do";
}

TEST(Lockout, AnswersAreHeldBackLongerAndLongerAndTheAllowListIsLeftAlone) {
  FakeClock clock;
  LockoutOptions options;
  options.allow = {"192.0.2.0/24"};
  Lockout lockout(options, clock);
  std::vector<long> delays;
  for (int i = 0; i < 8; ++i) delays.push_back(lockout.failed(ip("198.51.100.1"), "nobody").count());
  EXPECT_EQ(delays, (std::vector<long>{0, 0, 125, 250, 500, 1000, 2000, 2000}));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(lockout.failed(ip("192.0.2.9"), "alice").count(), 0);
  EXPECT_TRUE(lockout.check(ip("192.0.2.9"), "alice").accepted);
  lockout.replace({});
  for (int i = 0; i < 5; ++i) lockout.failed(ip("192.0.2.9"), "alice");
  EXPECT_FALSE(lockout.check(ip("192.0.2.9"), "alice").accepted);
  options.allow = {"192.0.2.1/24"};
  EXPECT_FALSE(options.check("allow"));
  EXPECT_TRUE(options.check("first_lockout"));
  options = {};
  options.longest_lockout = seconds(30);
  EXPECT_FALSE(options.validate());
}

TEST(Lockout, KnownPlacesOutliveTheProcessUntilTheyAreOld) {
  std::string pattern = (std::filesystem::temp_directory_path() / "postern-lockout-XXXXXX").string();
  const std::string path = ::mkdtemp(pattern.data());
  FakeClock clock;
  const auto open_under_attack = [&] {
    auto lockout = *Lockout::open(path + "/places.db", {}, clock);
    for (int i = 0; i < 9; ++i) lockout->failed(ip("10.0." + std::to_string(i) + ".1"), "alice@example.org");
    return lockout;
  };
  open_under_attack()->succeeded(ip("192.0.2.1"), "Alice@example.org");
  EXPECT_TRUE(open_under_attack()->check(ip("192.0.2.1"), "alice@example.org").accepted);
  EXPECT_FALSE(open_under_attack()->check(ip("192.0.3.1"), "alice@example.org").accepted);
  clock.advance(hours(24 * 181));
  EXPECT_FALSE(open_under_attack()->check(ip("192.0.2.1"), "alice@example.org").accepted);
  std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace postern::guard
