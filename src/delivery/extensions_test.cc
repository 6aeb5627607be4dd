#include "delivery/extensions.h"

#include <gtest/gtest.h>

namespace postern::delivery {
namespace {

TEST(Rfc5321Section4111, KnownKeywordsAreRead) {
  const Extensions got = parse_extensions({"mx.example.net hello", "PIPELINING", "size 1000", "8BitMime",
                                           "AUTH CRAM-MD5 PLAIN LOGIN", "X-OTHER a b"});
  EXPECT_TRUE(got.pipelining);
  EXPECT_TRUE(got.size);
  EXPECT_EQ(got.size_limit, 1000U);
  EXPECT_TRUE(got.eight_bit_mime);
  EXPECT_TRUE(got.auth_plain);
  EXPECT_TRUE(got.auth_login);
  EXPECT_FALSE(got.starttls);
  EXPECT_FALSE(got.smtputf8);
  EXPECT_FALSE(got.dsn);
}

TEST(Rfc5321Section4111, GreetingLineIsNotAKeyword) {
  EXPECT_FALSE(parse_extensions({"PIPELINING"}).pipelining);
  EXPECT_FALSE(parse_extensions({}).pipelining);
}

TEST(Rfc1870Section4, SizeWithoutOrWithSillyNumberMeansNoLimit) {
  EXPECT_EQ(parse_extensions({"x", "SIZE"}).size_limit, 0U);
  EXPECT_TRUE(parse_extensions({"x", "SIZE"}).size);
  EXPECT_EQ(parse_extensions({"x", "SIZE 99999999999999999999999"}).size_limit, 0U);
}

TEST(Rfc4954, OldEqualsSignFormIsUnderstood) {
  EXPECT_TRUE(parse_extensions({"x", "AUTH=LOGIN PLAIN"}).auth_login);
  EXPECT_TRUE(parse_extensions({"x", "AUTH=LOGIN PLAIN"}).auth_plain);
}

}  // namespace
}  // namespace postern::delivery
