#include "base/base64.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

struct Pair {
  const char* plain;
  const char* encoded;
};

TEST(Rfc4648Section10, EncodesAndDecodesTheVectors) {
  for (const Pair& p : {Pair{"", ""}, Pair{"f", "Zg=="}, Pair{"fo", "Zm8="}, Pair{"foo", "Zm9v"},
                        Pair{"foob", "Zm9vYg=="}, Pair{"fooba", "Zm9vYmE="}, Pair{"foobar", "Zm9vYmFy"}}) {
    EXPECT_EQ(base64_encode(p.plain), p.encoded);
    const Result<std::string> back = base64_decode(p.encoded);
    ASSERT_TRUE(back) << p.encoded;
    EXPECT_EQ(*back, p.plain);
  }
}

TEST(Rfc4954Section4, RefusesWhatIsNotExactlyBase64) {
  for (const char* bad :
       {"A", "AA", "AAA", "AAA=BBB=", "=AAA", "A A=", "AAA\r", "AA=A", "====", "A===", "Zh=="}) {
    const Result<std::string> got = base64_decode(bad);
    ASSERT_FALSE(got) << bad;
    EXPECT_EQ(got.error().code, Errc::Malformed) << bad;
  }
}

TEST(Base64, EveryOctetSurvives) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  for (std::size_t cut = 0; cut < all.size(); ++cut) {
    const std::string part = all.substr(cut);
    const Result<std::string> back = base64_decode(base64_encode(part));
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, part);
  }
}

}  // namespace
}  // namespace postern
