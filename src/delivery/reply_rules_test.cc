#include "delivery/reply_rules.h"

#include <gtest/gtest.h>

namespace postern::delivery {
namespace {

using std::chrono::minutes;

smtp::Reply reply(int code, const std::string& text) {
  smtp::ReplyParser parser;
  Result<std::optional<smtp::Reply>> parsed = parser.feed(std::to_string(code) + " " + text);
  EXPECT_TRUE(parsed && *parsed);
  return **parsed;
}

TEST(ReplyRuleTest, LinesThatAreWrongSayWhy) {
  const struct {
    const char* line;
    const char* why;  ///< part of the error; nullptr: it is right
  } cases[] = {
      {"421 4.7.28 -> slow 30m", nullptr},
      {"45x \"try -> later\" -> wait 1h", nullptr},
      {"5xx 5.7.* \"spam\" -> fail", nullptr},
      {"421 -> retry", nullptr},
      {"421 slow 30m", "CODE [STATUS]"},
      {"250 -> slow 30m", "begins with a code"},
      {"42 -> slow 30m", "begins with a code"},
      {"421 nonsense -> slow 30m", "nonsense"},
      {"421 -> sleep 30m", "none of slow"},
      {"421 -> slow", "need a time"},
      {"421 -> slow soon", "soon"},
      {"421 -> slow -3m", "-3m"},
      {"421 -> slow 31d", "31d"},
      {"421 -> retry 3m", "no time"},
      {"421 -> slow 3m 4m", "follows"},
      {"", "CODE"},
  };
  for (const auto& c : cases) {
    const Result<ReplyRule> rule = parse_reply_rule(c.line);
    EXPECT_EQ(rule.has_value(), c.why == nullptr) << c.line;
    if (!rule && c.why) {
      EXPECT_NE(rule.error().detail.find(c.why), std::string::npos) << rule.error().detail;
    }
  }
}

TEST(ReplyRuleTest, CodeStatusAndTextMustAllFit) {
  const struct {
    const char* rule;
    int code;
    const char* text;
    bool fits;
  } cases[] = {
      {"421 -> retry", 421, "4.7.0 busy", true},
      {"421 -> retry", 450, "4.7.0 busy", false},
      {"4xx -> retry", 451, "whatever", true},
      {"4xx -> retry", 551, "whatever", false},
      {"45x 4.7.28 -> retry", 450, "4.7.28 rate", true},
      {"45x 4.7.28 -> retry", 450, "4.7.2 rate", false},
      {"45x 4.7.* -> retry", 450, "4.7.650 rate", true},
      {"45x 4.7.* -> retry", 450, "4.2.1 rate", false},
      {"45x 4.7.* -> retry", 450, "no status", false},
      {"421 \"[tss04]\" -> retry", 421, "4.7.0 [TSS04] Messages deferred", true},
      {"421 \"[tss04]\" -> retry", 421, "4.7.0 [TSS05] Messages deferred", false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(matches(*parse_reply_rule(c.rule), reply(c.code, c.text)), c.fits) << c.rule << " / " << c.text;
  }
}

TEST(ReplyRuleTest, TheFirstThatFitsDecidesAndIsNamed) {
  const std::vector<ReplyRule> rules{*parse_reply_rule("550 5.4.5 -> slow 60m"),
                                     *parse_reply_rule("450 4.2.1 -> wait 15m"),
                                     *parse_reply_rule("45x \"blocked\" -> fail")};
  const Outcome quota = classify(reply(550, "5.4.5 Daily quota exceeded"), Stage::FinalDot, rules);
  EXPECT_EQ(quota.decision, Decision::Retry);
  EXPECT_EQ(quota.status, "4.4.5") << "agrees with the decision";
  EXPECT_TRUE(quota.site);
  EXPECT_EQ(quota.wait, minutes{60});
  EXPECT_EQ(quota.rule, "550 5.4.5 -> slow 60m");

  const Outcome user = classify(reply(450, "4.2.1 too fast"), Stage::Rcpt, rules);
  EXPECT_FALSE(user.site);
  EXPECT_EQ(user.wait, minutes{15});

  const Outcome blocked = classify(reply(451, "4.7.1 you are blocked"), Stage::Rcpt, rules);
  EXPECT_EQ(blocked.decision, Decision::Failed);
  EXPECT_EQ(blocked.status, "5.7.1");

  const Outcome other = classify(reply(550, "5.1.1 nobody"), Stage::Rcpt, rules);
  EXPECT_EQ(other.decision, Decision::Failed);
  EXPECT_EQ(other.rule, "");
  EXPECT_EQ(classify(reply(250, "2.0.0 ok"), Stage::FinalDot, rules).decision, Decision::Done);
}

/// Without rules: what was said to us, and what about this recipient or this mail.
TEST(Rfc5321Section42, SiteOrRecipient) {
  const struct {
    int code;
    const char* text;
    Stage stage;
    bool site;
  } cases[] = {
      {421, "4.3.2 shutting down", Stage::Rcpt, true},
      {421, "bye", Stage::FinalDot, true},
      {451, "4.7.500 server busy", Stage::Mail, true},
      {452, "4.3.1 disk full", Stage::Mail, true},
      {452, "4.3.1 disk full", Stage::FinalDot, true},
      {450, "4.7.1 greylisted", Stage::Rcpt, false},
      {450, "4.2.1 mailbox busy", Stage::Rcpt, false},
      {452, "4.2.2 over quota", Stage::Rcpt, false},
      {452, "4.5.3 too many recipients", Stage::Rcpt, false},
      {450, "4.1.8 sender domain not found", Stage::Mail, false},
      {451, "4.7.1 looks like spam", Stage::FinalDot, false},
      {451, "try again", Stage::Rcpt, false},
      {550, "5.7.1 blocked", Stage::Mail, false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(classify(reply(c.code, c.text), c.stage).site, c.site) << c.code << ' ' << c.text;
  }
}

}  // namespace
}  // namespace postern::delivery
