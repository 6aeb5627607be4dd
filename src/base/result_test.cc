#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace postern {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return fail(Errc::Malformed, "odd");
  return n / 2;
}
Result<int> quarter(int n) {
  POSTERN_TRY(const int h, half(n));
  POSTERN_CHECK(half(h));
  return half(h);
}
Result<> check(int n) {
  POSTERN_CHECK(half(n));
  return {};
}

TEST(Result, CarriesValueOrError) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error(), (Error{Errc::Malformed, "odd"}));
  EXPECT_TRUE(check(2));
  EXPECT_FALSE(check(1));
}

TEST(Result, HoldsMoveOnlyValues) {
  Result<std::unique_ptr<int>> r = std::make_unique<int>(3);
  ASSERT_TRUE(r);
  const std::unique_ptr<int> p = *std::move(r);
  EXPECT_EQ(*p, 3);
}

}  // namespace
}  // namespace postern
