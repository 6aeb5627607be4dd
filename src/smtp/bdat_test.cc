#include "smtp/bdat.h"

#include <gtest/gtest.h>

#include <string>

namespace postern::smtp {
namespace {

TEST(Rfc3030Section2, AChunkEndsByCountAlone) {
  ChunkReader chunk(5);
  EXPECT_EQ(chunk.take("ab"), "ab");
  EXPECT_FALSE(chunk.finished());
  EXPECT_EQ(chunk.take(".\r\nQUIT"), ".\r\n");
  EXPECT_TRUE(chunk.finished());
  EXPECT_EQ(chunk.take("QUIT"), "");
  EXPECT_TRUE(ChunkReader(0).finished());
  ChunkReader endless(UINT64_MAX);
  EXPECT_EQ(endless.take("abc"), "abc");
  EXPECT_FALSE(endless.finished());
}

struct Case {
  const char* name;
  std::string content;
  bool bare;
  bool nul;
  std::size_t longest;
};

class LineCheckTest : public testing::TestWithParam<Case> {};

TEST_P(LineCheckTest, SeesTheSameHoweverTheContentIsCut) {
  const Case& c = GetParam();
  for (std::size_t cut = 1; cut <= c.content.size() + 1; ++cut) {
    LineCheck check;
    for (std::size_t at = 0; at < c.content.size(); at += cut)
      check.feed(std::string_view(c.content).substr(at, cut));
    EXPECT_EQ(check.saw_bare_line_end(true), c.bare) << cut;
    EXPECT_EQ(check.saw_nul(), c.nul) << cut;
    EXPECT_EQ(check.longest_line(), c.longest) << cut;
  }
}

INSTANTIATE_TEST_SUITE_P(Rfc5321Section238, LineCheckTest,
                         testing::Values(Case{"nothing", "", false, false, 0},
                                         Case{"lines", "ab\r\n\r\nabc\r\n", false, false, 3},
                                         Case{"no last line end", "ab\r\nabcd", false, false, 4},
                                         Case{"bare LF", "ab\nabcd\r\n", true, false, 7},
                                         Case{"bare CR", "ab\rabcd\r\n", true, false, 7},
                                         Case{"CR CR LF", "ab\r\r\n", true, false, 3},
                                         Case{"CR at the end", "ab\r", true, false, 2},
                                         Case{"NUL", std::string("a\0b\r\n", 5), false, true, 3}),
                         [](const auto& param) {
                           std::string name = param.param.name;
                           std::replace(name.begin(), name.end(), ' ', '_');
                           return name;
                         });

}  // namespace
}  // namespace postern::smtp
