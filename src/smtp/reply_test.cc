#include "smtp/reply.h"

#include <gtest/gtest.h>

namespace postern::smtp {
namespace {

TEST(Rfc2034Section4, EveryLineCarriesCodeAndEnhancedCode) {
  EXPECT_EQ((Reply{250, {2, 1, 0}, {"one", "two"}}.wire()), "250-2.1.0 one\r\n250 2.1.0 two\r\n");
  EXPECT_EQ((Reply{354, {}, {"go"}}.wire()), "354 go\r\n");
  EXPECT_EQ((Reply{334, {}, {""}}.wire()), "334 \r\n") << "RFC 4954 §4: an empty challenge keeps its space";
}

Result<std::optional<Reply>> parse(const std::vector<std::string>& lines) {
  ReplyParser parser;
  Result<std::optional<Reply>> last = std::optional<Reply>();
  for (const std::string& line : lines) last = parser.feed(line);
  return last;
}

TEST(Rfc5321Section42, ParsesWhatServersSend) {
  EXPECT_EQ(parse({"250-a", "250-b", "250 c"})->value(), (Reply{250, {}, {"a", "b", "c"}}));
  EXPECT_EQ(parse({"550 5.1.1 no such user"})->value(), (Reply{550, {5, 1, 1}, {"no such user"}}));
  EXPECT_EQ(parse({"220"})->value(), (Reply{220, {}, {""}})) << "a missing space is tolerated";
  EXPECT_EQ(parse({"299 x"})->value().code, 299);
  EXPECT_EQ(parse({"250 5.1.1 odd"})->value().enhanced, (EnhancedCode{}))
      << "a code of another class is text";
  EXPECT_EQ(parse({"250 2.01.1 odd"})->value().enhanced, (EnhancedCode{})) << "no leading zeros";
  EXPECT_FALSE(parse({"250-more"})->has_value());
}

TEST(Rfc5321Section42, RefusesWhatIsNoReply) {
  for (const std::vector<std::string>& lines : std::vector<std::vector<std::string>>{{""},
                                                                                     {"25"},
                                                                                     {"abc"},
                                                                                     {"150 x"},
                                                                                     {"650 x"},
                                                                                     {"250x"},
                                                                                     {"250-a", "251 b"},
                                                                                     {"SSH-2.0-x"},
                                                                                     {"250 ok\n354 go"}}) {
    EXPECT_FALSE(parse(lines));
  }
  EXPECT_FALSE(parse(std::vector<std::string>(ReplyParser::kMaxLines + 1, "250-flood")));
}

}  // namespace
}  // namespace postern::smtp
