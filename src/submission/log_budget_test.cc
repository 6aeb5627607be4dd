#include "submission/log_budget.h"

#include "base/log.h"

#include <gtest/gtest.h>

namespace postern::submission {
namespace {

TEST(Rfc6409Section52, WhatOneClientMakesUsLogIsBounded) {
  FakeClock clock;
  LogBudget budget(clock);
  const net::IpAddress loud = *net::IpAddress::parse("2001:db8::1");
  const net::IpAddress neighbour = *net::IpAddress::parse("2001:db8::2");  // in the same /64
  const net::IpAddress quiet = *net::IpAddress::parse("192.0.2.1");
  for (std::uint32_t i = 0; i < LogBudget::kLinesPerMinute; ++i) EXPECT_TRUE(budget.take(loud));
  EXPECT_FALSE(budget.take(loud));
  EXPECT_FALSE(budget.take(neighbour));
  EXPECT_TRUE(budget.take(quiet));
  clock.advance(std::chrono::minutes{1});
  EXPECT_TRUE(budget.take(loud));
}

}  // namespace
}  // namespace postern::submission
