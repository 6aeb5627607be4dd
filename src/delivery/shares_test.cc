#include "delivery/shares.h"

#include "delivery/site_names.h"

#include <gtest/gtest.h>

namespace postern::delivery {
namespace {

std::size_t admit_all(Shares& shares, AccountId account, Urgency urgency = Urgency::Prompt) {
  std::size_t admitted = 0;
  while (shares.admit(account, urgency)) ++admitted;
  return admitted;
}

TEST(SharesTest, RoomIsAlwaysLeftForWhoComesNext) {
  Shares shares(1000);
  EXPECT_EQ(admit_all(shares, AccountId{1}), 500U);
  EXPECT_EQ(admit_all(shares, AccountId{2}), 250U);
  EXPECT_EQ(admit_all(shares, AccountId{3}), 125U);
  EXPECT_GE(admit_all(shares, AccountId{4}), 16U);
}

TEST(SharesTest, BulkMailGetsLess) {
  Shares shares(900);
  EXPECT_EQ(admit_all(shares, AccountId{1}, Urgency::Bulk), 300U);
  EXPECT_EQ(admit_all(shares, AccountId{2}), 300U);
}

TEST(SharesTest, WhatLeavesMakesRoom) {
  Shares shares(40);
  const std::size_t first = admit_all(shares, AccountId{1});
  EXPECT_FALSE(shares.admit(AccountId{1}, Urgency::Prompt));
  for (std::size_t i = 0; i < first; ++i) shares.leave(AccountId{1});
  EXPECT_EQ(shares.all(), 0U);
  EXPECT_EQ(admit_all(shares, AccountId{1}), first);
}

TEST(SharesTest, NeverMoreThanThereIsRoom) {
  Shares shares(20);
  std::size_t all = 0;
  for (int account = 1; account < 10; ++account) all += admit_all(shares, AccountId{account});
  EXPECT_LE(all, 20U);
  shares.enter(AccountId{99});  // from disk: the dispatcher has looked before
  EXPECT_EQ(shares.all(), all + 1);
}

TEST(SiteNamesTest, DomainsOfOneProviderShareAName) {
  SiteNames names;
  EXPECT_EQ(names.of("a.example"), "a.example");
  names.learn("a.example", "provider big");
  names.learn("b.example", "provider big");
  EXPECT_EQ(names.of("a.example"), names.of("b.example"));
  names.learn("b.example", "mx.b.example");
  EXPECT_EQ(names.of("b.example"), "mx.b.example");
  for (std::size_t i = 0; i < SiteNames::kMax; ++i) names.learn(std::to_string(i), "x");
  EXPECT_EQ(names.of("a.example"), "a.example") << "forgotten, not grown";
}

}  // namespace
}  // namespace postern::delivery
