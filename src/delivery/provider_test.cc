#include "delivery/provider.h"

#include <gtest/gtest.h>

namespace postern::delivery {
namespace {

TEST(RateTest, CountAndWindow) {
  using std::chrono::seconds;
  EXPECT_EQ(*parse_rate("500/1m"), (Rate{500, seconds{60}}));
  EXPECT_EQ(*parse_rate("14/1s"), (Rate{14, seconds{1}}));
  EXPECT_EQ(*parse_rate("2000/1d"), (Rate{2000, seconds{86'400}}));
  EXPECT_EQ(*parse_rate(""), Rate{});
  for (const char* wrong :
       {"500", "500/", "/1m", "0/1m", "5/0s", "5/1w", "5/1", "-5/1m", "5/-1m", "5/40d", "5/1m "})
    EXPECT_FALSE(parse_rate(wrong)) << wrong;
}

TEST(ProvidersTest, AllHostsMustBeTheProviders) {
  Provider big;
  big.mx = {"*.big.example", "mx.big.test"};
  big.max_connections = 3;
  big.rate = "10/1s";
  big.replies = {"421 -> slow 1m"};
  const Courtesy general{.max_connections = 20, .max_messages_per_connection = 77};
  const Result<Providers> all = Providers::make({{"big", big}}, general);
  ASSERT_TRUE(all) << all.error().detail;

  const Courtesy& its = all->of({{10, "a.big.example"}, {20, "mx.big.test"}});
  EXPECT_EQ(its.name, "big");
  EXPECT_EQ(its.max_connections, 3U);
  EXPECT_EQ(its.max_messages_per_connection, 77U) << "where it says nothing, the general value";
  EXPECT_EQ(its.replies.size(), 1U);

  EXPECT_EQ(all->of({{10, "a.big.example"}, {20, "backup.other.example"}}).name, "");
  EXPECT_EQ(all->of({{10, "big.example"}}).name, "") << "\"*.\" is below, not itself";
  EXPECT_EQ(all->of({{10, "notbig.example"}}).name, "");
  EXPECT_EQ(all->of({}).max_connections, 20U);
}

TEST(ProvidersTest, WhatIsWrongIsNamed) {
  Provider wrong;
  wrong.mx = {"mx.example"};
  wrong.replies = {"421 -> sleep 1m"};
  const Result<Providers> all = Providers::make({{"big", wrong}}, {});
  ASSERT_FALSE(all);
  EXPECT_NE(all.error().detail.find("[provider.big] replies: \"421 -> sleep 1m\""), std::string::npos)
      << all.error().detail;
}

}  // namespace
}  // namespace postern::delivery
