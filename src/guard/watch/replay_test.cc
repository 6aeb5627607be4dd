#include "guard/watch/replay.h"

#include <gtest/gtest.h>

#include <sstream>

namespace postern::guard {
namespace {

const std::string kHeader = "time\taccount\tip\trecipients\tresult\n";

struct Outcome {
  std::vector<ReplayAction> actions;
  std::vector<std::string> errors;
  Result<ReplaySummary> summary;
};

Outcome run(const std::string& text, const ReplayOptions& options = {}) {
  Outcome out;
  std::istringstream in(text);
  out.summary = replay(in, options,
                       {[&](const ReplayAction& action) { out.actions.push_back(action); },
                        [&](std::uint64_t line, const std::string& what) {
                          out.errors.push_back(std::to_string(line) + ": " + what);
                        }});
  return out;
}

struct BadLine {
  const char* name;
  const char* line;
  const char* error;
};

class BadLineTest : public testing::TestWithParam<BadLine> {};

TEST_P(BadLineTest, IsNamedAndTheRestGoesOn) {
  const Outcome got = run(kHeader + "100\ta\t192.0.2.1\tb@x.example\tsent\n" + GetParam().line +
                          "\n200\ta\t192.0.2.1\tb@x.example\tbounced\n");
  ASSERT_TRUE(got.summary);
  ASSERT_EQ(got.errors.size(), 1U);
  EXPECT_EQ(got.errors[0].rfind(std::string("3: ") + GetParam().error, 0), 0U) << got.errors[0];
  EXPECT_EQ(got.summary->events, 2U);
  EXPECT_EQ(got.summary->bad_lines, 1U);
}

INSTANTIATE_TEST_SUITE_P(
    Lines, BadLineTest,
    testing::Values(
        BadLine{"empty", "", "1 fields instead of 5"},
        BadLine{"four_fields", "150\ta\t192.0.2.1\tb@x.example", "4 fields instead of 5"},
        BadLine{"six_fields", "150\ta\t192.0.2.1\tb@x.example\tsent\tx", "6 fields instead of 5"},
        BadLine{"no_time", "soon\ta\t192.0.2.1\tb@x.example\tsent", "time is not a number"},
        BadLine{"time_before_1970", "-5\ta\t192.0.2.1\tb@x.example\tsent", "time is not a number"},
        BadLine{"clock_jumps_back", "99\ta\t192.0.2.1\tb@x.example\tsent",
                "the clock jumps back from 100 to 99"},
        BadLine{"no_account", "150\t\t192.0.2.1\tb@x.example\tsent", "not an account"},
        BadLine{"bad_ip", "150\ta\t192.0.2.300\tb@x.example\tsent", "not an IP address: \"192.0.2.300\""},
        BadLine{"no_recipient", "150\ta\t192.0.2.1\t\tsent", "not an address: \"\""},
        BadLine{"bad_recipient", "150\ta\t192.0.2.1\tb@x.example,c\tsent", "not an address: \"c\""},
        BadLine{"trailing_comma", "150\ta\t192.0.2.1\tb@x.example,\tsent", "not an address: \"\""},
        BadLine{"unknown_result", "150\ta\t192.0.2.1\tb@x.example\tdropped", "result is neither"}),
    [](const auto& one) { return one.param.name; });

TEST(Replay, NeedsItsHeader) {
  EXPECT_EQ(run("100\ta\t192.0.2.1\tb@x.example\tsent\n").summary.error().code, Errc::Malformed);
  EXPECT_EQ(run("").summary.error().code, Errc::Malformed);
  EXPECT_TRUE(run(kHeader).summary);
}

TEST(Replay, TakesWhatHistoriesHold) {
  const Outcome got = run(kHeader +
                          "0\ta@x.example\t\tb@x.example\tsent\r\n"
                          "0.25\ta@x.example\t-\tb.c+d@x-y.example,\"q,r\"@x.example,u@[192.0.2.1]\tsent\n"
                          "7\ta@x.example\t2001:db8::1\tB@X.example,jos\xc3\xa9@x.example\tbounced\n");
  ASSERT_TRUE(got.summary);
  EXPECT_TRUE(got.errors.empty()) << got.errors[0];
  EXPECT_EQ(got.summary->recipients, 6U);
  EXPECT_EQ(got.summary->accounts, 1U);
}

std::string history_with_flood() {
  std::string text = kHeader;
  std::int64_t time = 1'700'000'000;
  const auto line = [&](const std::string& ip, const std::string& to, const char* result) {
    text += std::to_string(time) + "\ta@x.example\t" + ip + "\t" + to + "\t" + result + "\n";
  };
  for (int i = 0; i < 200; ++i, time += 7200)
    line("192.0.2.1", "f" + std::to_string(i % 15) + "@y.example", "sent");
  for (int i = 0; i < 20'000; ++i, time += 1)
    line("203.0.113.5", "v" + std::to_string(i) + "@z" + std::to_string(i % 97) + ".example",
         i % 6 == 0 ? "bounced" : "sent");
  return text;
}

TEST(Replay, HoldsOnceAndCountsWhatIsHeld) {
  const Outcome got = run(history_with_flood());
  ASSERT_TRUE(got.summary);
  EXPECT_EQ(got.summary->holds, 1U);
  EXPECT_GT(got.summary->held_events, 19'900U);
  ASSERT_FALSE(got.actions.empty());
  EXPECT_EQ(got.actions.back().action, Action::Hold);
  EXPECT_EQ(got.actions.back().account, "a@x.example");
  EXPECT_GE(got.actions.back().score, Watch::kHold);
  EXPECT_FALSE(got.actions.back().reasons.empty());
}

TEST(Replay, ReleasesWhenToldAndHoldsAgain) {
  ReplayOptions options;
  options.release_after = std::chrono::hours(1);
  const Outcome got = run(history_with_flood(), options);
  ASSERT_TRUE(got.summary);
  EXPECT_GE(got.summary->holds, 4U);
  EXPECT_LE(got.summary->holds, 6U);
}

TEST(Replay, IsDeterministic) {
  const Outcome first = run(history_with_flood());
  const Outcome second = run(history_with_flood());
  ASSERT_EQ(first.actions.size(), second.actions.size());
  for (std::size_t i = 0; i < first.actions.size(); ++i) {
    EXPECT_EQ(first.actions[i].score, second.actions[i].score);
    EXPECT_EQ(first.actions[i].reasons, second.actions[i].reasons);
  }
}

TEST(ClassFile, NamesItsBadLine) {
  std::istringstream good("account\tclass\na@x.example\tperson\n# the shop\nshop\tapp\n");
  const auto classes = read_class_file(good);
  ASSERT_TRUE(classes) << classes.error().detail;
  EXPECT_EQ(classes->at("shop"), SenderClass::App);
  for (const auto& [text, error] : {std::pair{"a person\n", "line 1: not \"account<TAB>class\""},
                                    {"a\tperson\nb\trobot\n", "line 2: not a class"},
                                    {"a\tperson\na\tbulk\n", "line 2: \"a\" is named twice"}}) {
    std::istringstream in(text);
    const auto got = read_class_file(in);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().detail.rfind(error, 0), 0U) << got.error().detail;
  }
}

TEST(Duration, HasAUnit) {
  EXPECT_EQ(parse_duration("4h"), std::chrono::seconds(14400));
  EXPECT_EQ(parse_duration("90m"), std::chrono::seconds(5400));
  EXPECT_EQ(parse_duration("2d"), std::chrono::seconds(172800));
  for (const char* wrong : {"", "h", "4", "0h", "-4h", "4 h", "4w", "1.5h"})
    EXPECT_FALSE(parse_duration(wrong)) << wrong;
}

}  // namespace
}  // namespace postern::guard
