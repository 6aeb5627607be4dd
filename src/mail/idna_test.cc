#include "mail/idna.h"

#include <gtest/gtest.h>

namespace postern::mail {
namespace {

struct Case {
  const char* name;
  std::string domain;
  std::string ascii;  // empty: Malformed
};

class ToAsciiTest : public testing::TestWithParam<Case> {};

TEST_P(ToAsciiTest, Converts) {
  const Result<std::string> got = to_ascii(GetParam().domain);
  if (GetParam().ascii.empty()) {
    ASSERT_FALSE(got) << *got;
    EXPECT_EQ(got.error().code, Errc::Malformed);
  } else {
    ASSERT_TRUE(got) << got.error().detail;
    EXPECT_EQ(*got, GetParam().ascii);
  }
}

INSTANTIATE_TEST_SUITE_P(Rfc5891Section4, ToAsciiTest,
                         testing::Values(Case{"Ascii", "Example.ORG", "example.org"},
                                         Case{"Underscore", "_25._tcp.MX.example", "_25._tcp.mx.example"},
                                         Case{"ULabel", "münchen.example", "xn--mnchen-3ya.example"},
                                         Case{"UpperCaseULabel", "MÜNCHEN.Example", "xn--mnchen-3ya.example"},
                                         Case{"SharpSIsKept", "straße.example", "xn--strae-oqa.example"},
                                         Case{"DecomposedIsComposed", "mu\xcc\x88nchen.example",
                                              "xn--mnchen-3ya.example"},
                                         Case{"IdeographicDot", "例え。テスト", "xn--r8jz45g.xn--zckzah"},
                                         Case{"NotUtf8", "m\xfcnchen.example", ""},
                                         Case{"SpaceIsForbidden", "mün chen.example", ""},
                                         Case{"SoftHyphenIsHidden", "exam\xC2\xADple.org", ""},
                                         Case{"ZeroWidthSpaceIsHidden", "example.org\xE2\x80\x8B", ""},
                                         Case{"VariationSelectorIsHidden", "example\xEF\xB8\x8F.org", ""},
                                         Case{"EmbeddedNul", std::string("mü\0nchen.example", 17), ""},
                                         Case{"LabelTooLong", "ü" + std::string(63, 'a') + ".example", ""}),
                         [](const testing::TestParamInfo<Case>& tested) { return tested.param.name; });

TEST(Rfc6532Section31, NormalFormCJoinsWhatIsOneLetterAndNothingElse) {
  for (const auto& [typed, normal] : {
           std::pair{"alice", "alice"},
           {"jo\xcc\x88rg", "j\xc3\xb6rg"},
           {"j\xc3\xb6rg", "j\xc3\xb6rg"},
           {"\xd0\xb0lice", "\xd0\xb0lice"},          // Cyrillic а
           {"\xef\xac\x81ona", "\xef\xac\x81ona"},    // the ligature ﬁ
           {"\xef\xbd\x81lice", "\xef\xbd\x81lice"},  // fullwidth ａ
           {"\xff", "\xff"},
           {"", ""},
       }) {
    EXPECT_EQ(to_nfc(typed), normal);
  }
}

}  // namespace
}  // namespace postern::mail
