#include "smtp/dot_codec.h"

#include <gtest/gtest.h>

namespace postern::smtp {
namespace {

struct Case {
  const char* name;
  std::string wire;
  std::string body;
  bool finished = true;
  bool bare = false;
};

const Case kCases[] = {
    {"empty message", ".\r\n", ""},
    {"one line", "a\r\n.\r\n", "a\r\n"},
    {"stuffed dot is removed", "..a\r\n.\r\n", ".a\r\n"},
    {"only one dot is removed", "...\r\n.\r\n", "..\r\n"},
    {"dot inside a line stays", "a.b\r\n.\r\n", "a.b\r\n"},
    {"no end yet", "a\r\n.", "a\r\n", false},
    {"bare LF never ends data", "a\n.\n.\r\n", "a\n.\n.\r\n", false, true},
    {"LF dot CRLF", "a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", true, true},
    {"CRLF dot LF", "a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n", true, true},
    {"CR dot CR", "a\r.\rb\r\n.\r\n", "a\r.\rb\r\n", true, true},
    {"CRLF dot CR", "a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", true, true},
    {"CR CRLF dot CRLF", "a\r\r\n.\r\n", "a\r\r\n", true, true},
    {"NUL and 8-bit are kept", std::string("\0\xff\r\n.\r\n", 7), std::string("\0\xff\r\n", 4)},
};

TEST(Rfc5321Section452, DecodesWireHoweverItIsCut) {
  for (const Case& c : kCases) {
    for (std::size_t cut = 1; cut <= c.wire.size(); ++cut) {
      DotDecoder decoder;
      std::string body;
      for (std::size_t at = 0; at < c.wire.size(); at += cut) {
        decoder.feed(std::string_view(c.wire).substr(at, cut), body);
      }
      EXPECT_EQ(body, c.body) << c.name << " cut at " << cut;
      EXPECT_EQ(decoder.finished(), c.finished) << c.name << " cut at " << cut;
      EXPECT_EQ(decoder.saw_bare_line_end(), c.bare) << c.name << " cut at " << cut;
    }
  }
}

TEST(Rfc5321Section452, WholeLinesAtOnceMeanWhatSingleOctetsMean) {
  constexpr std::string_view kAlphabet = "\r\n.a";
  constexpr std::size_t kLength = 7;
  for (std::size_t word = 0; word < std::size_t{1} << (2 * kLength); ++word) {
    std::string wire;
    for (std::size_t i = 0; i < kLength; ++i) wire += kAlphabet[word >> (2 * i) & 3U];
    DotDecoder whole, single;
    std::string at_once, one_by_one;
    const std::size_t used = whole.feed(wire, at_once);
    std::size_t used_singly = 0;
    for (const char& c : wire) used_singly += single.feed(std::string_view(&c, 1), one_by_one);
    ASSERT_EQ(at_once, one_by_one) << testing::PrintToString(wire);
    ASSERT_EQ(used, used_singly) << testing::PrintToString(wire);
    ASSERT_EQ(whole.finished(), single.finished()) << testing::PrintToString(wire);
    ASSERT_EQ(whole.saw_bare_line_end(), single.saw_bare_line_end()) << testing::PrintToString(wire);
    ASSERT_EQ(whole.longest_line(), single.longest_line()) << testing::PrintToString(wire);
  }
}

TEST(Rfc5321Section452, WhatFollowsTheEndIsNotTouched) {
  DotDecoder decoder;
  std::string body;
  EXPECT_EQ(decoder.feed("a\r\n.\r\nQUIT\r\n", body), 6U);
  EXPECT_TRUE(decoder.finished());
}

TEST(Rfc5321Section45316, LongestLineIsMeasuredWithoutStuffing) {
  DotDecoder decoder;
  std::string body;
  decoder.feed("." + std::string(998, '.') + "\r\nab\r\n.\r\n", body);
  EXPECT_EQ(decoder.longest_line(), 998U);
}

TEST(DotEncoder, IsTheInverseOfTheDecoder) {
  for (const std::string body :
       {"", "\r\n", ".\r\n", "a\r\n..b\r\n.\r\n", "x\r\n.y\r\n\r\n", ".", "no end"}) {
    for (std::size_t cut = 1; cut <= body.size() + 1; ++cut) {
      DotEncoder encoder;
      std::string wire;
      for (std::size_t at = 0; at < body.size(); at += cut)
        encoder.feed(std::string_view(body).substr(at, cut), wire);
      encoder.finish(wire);
      DotDecoder decoder;
      std::string back;
      EXPECT_EQ(decoder.feed(wire, back), wire.size());
      EXPECT_TRUE(decoder.finished());
      const bool complete = body.empty() || body.ends_with("\r\n");
      EXPECT_EQ(back, complete ? body : body + "\r\n") << "cut at " << cut;
    }
  }
}

}  // namespace
}  // namespace postern::smtp
