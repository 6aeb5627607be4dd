#include "guard/watch/account_state.h"

#include "guard/watch/watch.h"

#include <gtest/gtest.h>

namespace postern::guard {
namespace {

AccountState busy_account() {
  AccountState state;
  Surroundings surroundings;
  for (std::uint64_t i = 1; i <= 3000; ++i) {
    const WatchedRecipient to = WatchedRecipient::of("r" + std::to_string(i % 400) + "@d.example");
    const Place place = Place::of(*net::IpAddress::parse("192.0." + std::to_string(i % 9) + ".1"));
    Watch::judge(state, surroundings, {static_cast<std::int64_t>(1'700'000'000 + i * 3000), place, {&to, 1}});
    Watch::delivered(state, surroundings, static_cast<std::int64_t>(1'700'000'000 + i * 3000),
                     Answered::of("r@site" + std::to_string(i % 7) + ".example", i % 50 == 0, false));
  }
  return state;
}

TEST(AccountState, StaysSmallHoweverMuchIsSent) {
  EXPECT_EQ(encode(busy_account()).size(), encode(AccountState{}).size());
  EXPECT_LE(encode(busy_account()).size(), AccountState::kEncodedBytes);
}

TEST(AccountState, ComesBackFromDiskWithTheSameOpinion) {
  const AccountState before = busy_account();
  const auto after = decode_account_state(encode(before));
  ASSERT_TRUE(after) << after.error().detail;
  EXPECT_EQ(encode(*after), encode(before));
  EXPECT_EQ(after->messages, before.messages);
  EXPECT_NEAR(Watch::weigh(*after).score(), Watch::weigh(before).score(), 0.02);
  EXPECT_TRUE(after->recipients.contains(WatchedRecipient::of("r7@d.example").address));
}

TEST(AccountState, DamagedOctetsAreAnError) {
  const std::string octets = encode(busy_account());
  EXPECT_EQ(decode_account_state("").error().code, Errc::Corrupt);
  EXPECT_EQ(decode_account_state(octets.substr(1)).error().code, Errc::Corrupt);
  EXPECT_EQ(decode_account_state(octets.substr(0, octets.size() - 1)).error().code, Errc::Corrupt);
  EXPECT_EQ(decode_account_state(octets + "x").error().code, Errc::Corrupt);
}

TEST(AgingFilter, RemembersWhatIsInUseAndForgetsTheRest) {
  AgingFilter<1536> filter;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    filter.add(WatchedRecipient::of("v" + std::to_string(i) + "@x.example").address);
    filter.add(42);
  }
  EXPECT_TRUE(filter.contains(42));
  int seen = 0;
  for (std::uint64_t i = 0; i < 1000; ++i)
    seen += filter.contains(WatchedRecipient::of("w" + std::to_string(i) + "@x.example").address) ? 1 : 0;
  EXPECT_NEAR(seen / 1000.0, filter.false_positives(), 0.06);
  EXPECT_LE(filter.false_positives(), 0.25);
}

}  // namespace
}  // namespace postern::guard
