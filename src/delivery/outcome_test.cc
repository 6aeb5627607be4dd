#include "delivery/outcome.h"

#include <gtest/gtest.h>

namespace postern::delivery {
namespace {

smtp::Reply reply(int code, std::string text) {
  smtp::Reply r;
  r.code = code;
  r.lines.push_back(std::move(text));
  return r;
}

struct Case {
  const char* name;
  int code;
  Stage stage;
  Decision decision;
};

class OutcomeTest : public testing::TestWithParam<Case> {};

TEST_P(OutcomeTest, CodeAndStageDecide) {
  const Outcome got = classify(reply(GetParam().code, "text"), GetParam().stage);
  EXPECT_EQ(got.decision, GetParam().decision);
  EXPECT_TRUE(got.remote);
  const char digit = got.decision == Decision::Done ? '2' : got.decision == Decision::Retry ? '4' : '5';
  EXPECT_EQ(got.status.at(0), digit) << "RFC 3464 §2.3.4";
}

INSTANTIATE_TEST_SUITE_P(Rfc5321Section421, OutcomeTest,
                         testing::Values(Case{"rcpt_ok", 250, Stage::Rcpt, Decision::Done},
                                         Case{"rcpt_will_forward", 251, Stage::Rcpt, Decision::Done},
                                         Case{"rcpt_busy", 450, Stage::Rcpt, Decision::Retry},
                                         Case{"rcpt_unknown", 550, Stage::Rcpt, Decision::Failed},
                                         Case{"rcpt_552_is_too_many", 552, Stage::Rcpt, Decision::Retry},
                                         Case{"rcpt_556_null_mx", 556, Stage::Rcpt, Decision::Failed},
                                         Case{"mail_552_is_too_big", 552, Stage::Mail, Decision::Failed},
                                         Case{"banner_521", 521, Stage::Banner, Decision::Failed},
                                         Case{"banner_421", 421, Stage::Banner, Decision::Retry},
                                         Case{"auth_535_is_ours", 535, Stage::Auth, Decision::Retry},
                                         Case{"ehlo_550_is_ours", 550, Stage::Hello, Decision::Retry},
                                         Case{"data_250_is_broken", 250, Stage::Data, Decision::Retry},
                                         Case{"mail_354_is_broken", 354, Stage::Mail, Decision::Retry},
                                         Case{"dot_554", 554, Stage::FinalDot, Decision::Failed},
                                         Case{"unknown_2yz", 299, Stage::FinalDot, Decision::Done},
                                         Case{"unknown_5yz", 599, Stage::FinalDot, Decision::Failed}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(OutcomeTextTest, IsOneBoundedLineWithoutControls) {
  smtp::Reply r = reply(550, "a\x01\r\nb");
  for (int i = 0; i < 100; ++i) r.lines.emplace_back(100, 'x');
  const std::string text = one_line(r);
  EXPECT_LE(text.size(), 512U);
  EXPECT_EQ(text.substr(0, 9), "550 a???b");
}

TEST(OutcomeTextTest, ALongLineIsCutAndNotDropped) {
  smtp::Reply r = reply(550, std::string(508, 'y') + "\xc3\xa4 and so on");
  EXPECT_EQ(one_line(r), "550 " + std::string(508, 'y'));
  r.lines.front().erase(0, 1);
  EXPECT_EQ(one_line(r), "550 " + std::string(507, 'y')) << "not half of a letter";
  r.lines.insert(r.lines.begin(), "");
  EXPECT_EQ(one_line(r).substr(0, 6), "550 yy") << "lines without text leave no trace";
}

}  // namespace
}  // namespace postern::delivery
