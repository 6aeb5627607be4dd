#include "probe/mta_sts.h"

#include <gtest/gtest.h>

namespace postern::probe {
namespace {

TEST(MtaStsPolicy, ReadsModeAndPatterns) {
  const auto policy = parse_mta_sts_policy(
      "version: STSv1\r\nmode: enforce\r\nmx: Mail.example.org\r\nmx: *.example.net\r\nmax_age: 86400\r\n");
  ASSERT_TRUE(policy) << policy.error().detail;
  EXPECT_EQ(policy->mode, MtaStsState::Enforce);
  EXPECT_EQ(policy->mx, (std::vector<std::string>{"mail.example.org", "*.example.net"}));
  EXPECT_EQ(policy->max_age, 86400);
  EXPECT_EQ(parse_mta_sts_policy("version: STSv1\nmode: none\n")->mode, MtaStsState::Off);
}

TEST(MtaStsPolicy, RefusesWhatTheRfcDoes) {
  for (const char* bad :
       {"", "mode: enforce\nmx: a\n", "version: STSv2\nmode: enforce\nmx: a\n", "version: STSv1\nmx: a\n",
        "version: STSv1\nmode: enforce\n", "version: STSv1\nmode: maybe\nmx: a\n", "<html>"}) {
    EXPECT_FALSE(parse_mta_sts_policy(bad)) << bad;
  }
}

TEST(MtaStsRecord, OneAndOnlyOne) {
  const auto rdata = [](const std::string& text) { return static_cast<char>(text.size()) + text; };
  const std::string good = rdata("v=STSv1; id=1;");
  EXPECT_TRUE(announces_mta_sts({good, rdata("v=spf1 -all")}));
  EXPECT_TRUE(announces_mta_sts({rdata("v=STSv1") + rdata("; id=1;")}));
  EXPECT_FALSE(announces_mta_sts({good, good}));
  EXPECT_FALSE(announces_mta_sts({rdata("v=STSv12; id=1;")}));
  EXPECT_FALSE(announces_mta_sts({std::string("\x20short")}));
}

TEST(HttpBody, PlainAndChunked) {
  EXPECT_EQ(*http_body("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), "ok");
  EXPECT_EQ(*http_body("HTTP/1.0 200 OK\r\n\r\nuntil the end"), "until the end");
  EXPECT_EQ(*http_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), "ok");
  EXPECT_FALSE(http_body("HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_FALSE(http_body("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"));
  EXPECT_FALSE(http_body("220 mail\r\n"));
  EXPECT_FALSE(http_body(""));
  EXPECT_FALSE(http_body("HTTP/1.0 200 OK\r\n\r\n" + std::string(100'000, 'x')));
}

}  // namespace
}  // namespace postern::probe
