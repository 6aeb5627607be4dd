#include "guard/lockout.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace postern::guard
