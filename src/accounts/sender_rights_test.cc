#include "accounts/sender_rights.h"

#include <gtest/gtest.h>

namespace postern::accounts {
namespace {

bool covers(const char* pattern, const char* local, const char* domain) {
  return pattern_matches(*normal_pattern(pattern), {local, domain});
}

TEST(SenderPatterns, CoverWhatTheySay) {
  EXPECT_TRUE(covers("Sales@Example.org", "SALES", "example.ORG"));
  EXPECT_TRUE(covers("sales@example.org", "sales+eu", "example.org"));
  EXPECT_FALSE(covers("sales@example.org", "sales.eu", "example.org"));
  EXPECT_FALSE(covers("sales@example.org", "+sales", "example.org"));
  EXPECT_TRUE(covers("news-*@example.org", "news-", "example.org"));
  EXPECT_TRUE(covers("news-*@example.org", "news-2026+x", "example.org"));
  EXPECT_FALSE(covers("news-*@example.org", "fake-news-2026", "example.org"));
  EXPECT_TRUE(covers("*-bounce-*@example.org", "a-bounce-bounce-b", "example.org"));
  EXPECT_FALSE(covers("*-bounce@example.org", "a-bounce-b", "example.org"));
  EXPECT_TRUE(covers("*@example.org", "anybody", "example.org"));
  EXPECT_FALSE(covers("*@example.org", "anybody", "sub.example.org"));
  EXPECT_FALSE(covers("*@example.org", "anybody", "notexample.org"));
  EXPECT_TRUE(covers("*@*.example.org", "x", "a.b.example.org"));
  EXPECT_FALSE(covers("*@*.example.org", "x", "example.org")) << "the domain itself is not below itself";
  EXPECT_FALSE(covers("*@*.example.org", "x", "evil-example.org"));
  EXPECT_FALSE(covers("*@*.example.org", "x", ".example.org"));
  EXPECT_FALSE(covers("alice@example.org", "alice@example.org", "evil.example"));
  EXPECT_TRUE(covers("\"odd one\"@example.org", "Odd One", "example.org"));
  EXPECT_FALSE(covers("alice@example.org", "*", "example.org")) << "a star in the mail is only a star";
}

TEST(SenderPatterns, SayWhatIsWrong) {
  for (const char* bad : {"", "sales", "@example.org", "a@", "a@*", "*@*", "a@example", "a@ex*ample.org",
                          "a@*.*.example.org", "a@b@example.org", "a b@example.org", "a@*.org x"}) {
    const Result<std::string> got = normal_pattern(bad);
    ASSERT_FALSE(got) << bad;
    EXPECT_EQ(got.error().code, Errc::Malformed);
  }
  EXPECT_EQ(*normal_pattern("News-*@*.Example.ORG"), "news-*@*.example.org");
}

TEST(SenderPatterns, ManyStarsStayCheap) {
  std::string pattern;
  for (int i = 0; i < 60; ++i) pattern += "*a";
  EXPECT_FALSE(pattern_matches(pattern + "@example.org", {std::string(64, 'a') + "b", "example.org"}));
}

}  // namespace
}  // namespace postern::accounts
