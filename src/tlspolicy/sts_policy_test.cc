#include "tlspolicy/sts_policy.h"

#include <gtest/gtest.h>

namespace postern::tlspolicy {
namespace {

TEST(StsPolicy, ReadsModePatternsAndAge) {
  const auto policy = parse_sts_policy(
      "version: STSv1\r\nmode: enforce\r\nmx: Mail.example.org\r\nmx:*.example.net\r\nmax_age: 86400\r\n");
  ASSERT_TRUE(policy) << policy.error().detail;
  EXPECT_EQ(policy->mode, StsPolicy::Mode::Enforce);
  EXPECT_EQ(policy->mx, (std::vector<std::string>{"mail.example.org", "*.example.net"}));
  EXPECT_EQ(policy->max_age, std::chrono::seconds{86400});
  EXPECT_EQ(parse_sts_policy("version: STSv1\nmode: none\nmax_age: 0")->mode, StsPolicy::Mode::None);
}

TEST(StsPolicy, FirstOfRepeatedKeysCountsUnknownOnesDoNot) {
  const auto policy = parse_sts_policy(
      "version: STSv1\nmode: testing\nmode: enforce\nfuture: x: y\n\nmx: a.example\nmax_age: 1\nmax_age: "
      "2\n");
  ASSERT_TRUE(policy) << policy.error().detail;
  EXPECT_EQ(policy->mode, StsPolicy::Mode::Testing);
  EXPECT_EQ(policy->max_age, std::chrono::seconds{1});
}

TEST(StsPolicy, AgeIsAtMostOneYear) {
  EXPECT_EQ(parse_sts_policy("version: STSv1\nmode: none\nmax_age: 99999999999\n")->max_age,
            std::chrono::seconds{31'557'600});
}

TEST(StsPolicy, RefusesWhatTheRfcDoes) {
  const std::string good = "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 1\n";
  ASSERT_TRUE(parse_sts_policy(good));
  for (const char* bad :
       {"", "mode: enforce\nmx: a\nmax_age: 1", "version: STSv2\nmode: enforce\nmx: a\nmax_age: 1",
        "version: STSv1\nmx: a\nmax_age: 1", "version: STSv1\nmode: enforce\nmax_age: 1",
        "version: STSv1\nmode: maybe\nmx: a\nmax_age: 1", "version: STSv1\nmode: enforce\nmx: a",
        "version: STSv1\nmode: enforce\nmx: a\nmax_age: -1",
        "version: STSv1\nmode: enforce\nmx: a\nmax_age: 1d",
        "version: STSv1\nmode: enforce\nmx: a b\nmax_age: 1",
        "version: STSv1\nmode: enforce\nmx: *.\nmax_age: 1",
        "version: STSv1\nmode: enforce\nmx: a.*.b\nmax_age: 1", "<html>"}) {
    EXPECT_FALSE(parse_sts_policy(bad)) << bad;
  }
  std::string many = good;
  for (int i = 0; i < 2000; ++i) many += "mx: a.example\n";
  EXPECT_FALSE(parse_sts_policy(many));
}

TEST(StsPolicy, AStarIsExactlyOneLabel) {
  StsPolicy policy;
  policy.mx = {"*.example.com", "mx.example.net"};
  EXPECT_TRUE(policy.names("mail.example.com"));
  EXPECT_TRUE(policy.names("MAIL.Example.Com."));
  EXPECT_TRUE(policy.names("mx.example.net"));
  for (const char* other : {"example.com", "a.b.example.com", ".example.com", "a.mx.example.net",
                            "notexample.com", "", "x-example.com"}) {
    EXPECT_FALSE(policy.names(other)) << other;
  }
}

TEST(StsRecord, OneAndOnlyOneWithAnId) {
  EXPECT_EQ(announced_id({"v=STSv1; id=20260101T00;", "v=spf1 -all"}), "20260101T00");
  EXPECT_EQ(announced_id({"v=STSv1;id=1"}), "1");
  EXPECT_EQ(announced_id({"v=STSv1; future=x; id=2;"}), "2");
  for (const std::vector<std::string>& none :
       std::vector<std::vector<std::string>>{{},
                                             {"v=STSv1; id=1;", "v=STSv1; id=1;"},
                                             {"v=STSv12; id=1;"},
                                             {"v=STSv1;"},
                                             {"v=STSv1; id=a b;"},
                                             {"v=STSv1; id=;"},
                                             {" v=STSv1; id=1;"},
                                             {"v=STSv1 id=1"},
                                             {"v=STSv1; id=" + std::string(33, '1')}}) {
    EXPECT_EQ(announced_id(none), std::nullopt);
  }
}

}  // namespace
}  // namespace postern::tlspolicy
