#include "sasl/scram_client.h"

#include <gtest/gtest.h>

namespace postern::sasl {
namespace {

constexpr const char* kServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

// RFC 7677 §3
TEST(Rfc7677Section3, TheExample) {
  ScramClient client("user", "pencil", "rOprNGfwEbeRWgbNEkqO");
  EXPECT_EQ(client.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  const Result<std::string> final = client.final(kServerFirst);
  ASSERT_TRUE(final) << final.error().detail;
  EXPECT_EQ(*final,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  EXPECT_TRUE(client.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
  EXPECT_FALSE(client.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="));
  EXPECT_FALSE(client.verify("e=invalid-proof"));
}

TEST(ScramClientTest, AServerThatIsWrongIsNotAnswered) {
  const struct {
    const char* why;
    const char* message;
  } cases[] = {
      {"another nonce", "r=somethingelse,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"},
      {"only our nonce", "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"},
      {"too few iterations", "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1"},
      {"too many", "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4000000000"},
      {"no salt", "r=rOprNGfwEbeRWgbNEkqOx,i=4096"},
      {"bad salt", "r=rOprNGfwEbeRWgbNEkqOx,s=!!,i=4096"},
      {"an extension we must know", "m=x,r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"},
      {"nothing", ""},
  };
  for (const auto& c : cases) {
    ScramClient client("user", "pencil", "rOprNGfwEbeRWgbNEkqO");
    EXPECT_FALSE(client.final(c.message)) << c.why;
  }
}

TEST(ScramClientTest, NamesAreEscapedAndNoncesDiffer) {
  EXPECT_EQ(ScramClient("a,b=c", "x", "n").first(), "n,,n=a=2Cb=3Dc,r=n");
  EXPECT_NE(ScramClient("a", "x").first(), ScramClient("a", "x").first());
}

}  // namespace
}  // namespace postern::sasl
