#include "oauth/jwt.h"

#include "oauth/key_set.h"
#include "oauth/testing/issuer.h"

#include <gtest/gtest.h>

namespace postern::oauth {
namespace {

using testing::Issuer;

const TimePoint kNow{std::chrono::seconds{1'700'000'000}};

TEST(Rfc7515AppendixC, Base64Url) {
  EXPECT_EQ(base64url_encode(std::string("\x03\xec\xff\xe0\xc1", 5)), "A-z_4ME");
  EXPECT_EQ(*base64url_decode("A-z_4ME"), std::string("\x03\xec\xff\xe0\xc1", 5));
  for (const char* bad : {"A+z_4ME", "A-z/4ME", "A-z_4ME=", "A", "A-z_4MF", "A z_"})
    EXPECT_FALSE(base64url_decode(bad)) << bad;
}

// RFC 8037 §A.4: the example signature of Ed25519, and its key of §A.2.
TEST(Rfc8037AppendixA, AnEd25519SignatureVerifies) {
  const Result<KeySet> keys = KeySet::parse(
      R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})");
  ASSERT_TRUE(keys);
  Jwt jwt;
  jwt.algorithm = Algorithm::EdDSA;
  jwt.signed_part = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
  jwt.signature = *base64url_decode(
      "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
  EXPECT_TRUE(keys->verify(jwt));
  jwt.signed_part.back() = 'h';
  EXPECT_EQ(keys->verify(jwt).error().code, Errc::Denied);
}

TEST(KeySets, EveryAlgorithmAndOnlyTheKeyThatFits) {
  for (const Algorithm algorithm : {Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA}) {
    const Issuer issuer(algorithm, "one");
    const Issuer other(algorithm, "one");
    const Result<KeySet> keys = KeySet::parse(issuer.key_set());
    ASSERT_TRUE(keys);
    ASSERT_EQ(keys->size(), 1U);
    const Result<Jwt> good = parse_jwt(issuer.sign(R"({"iss":"i"})"));
    ASSERT_TRUE(good) << good.error().detail;
    EXPECT_TRUE(keys->verify(*good));
    EXPECT_EQ(keys->verify(*parse_jwt(other.sign(R"({"iss":"i"})"))).error().code, Errc::Denied);
    EXPECT_EQ(keys->verify(*parse_jwt(Issuer(algorithm, "two").sign("{}"))).error().code, Errc::NotFound)
        << "fresh keys may fit";
    Jwt spoilt = *good;
    spoilt.signature.back() = static_cast<char>(spoilt.signature.back() ^ 1);
    EXPECT_EQ(keys->verify(spoilt).error().code, Errc::Denied);
    spoilt.signature.clear();
    EXPECT_EQ(keys->verify(spoilt).error().code, Errc::Denied);
    spoilt = *good;
    spoilt.algorithm = algorithm == Algorithm::RS256 ? Algorithm::ES256 : Algorithm::RS256;
    EXPECT_EQ(keys->verify(spoilt).error().code, Errc::NotFound) << "a key serves its own kind only";
  }
}

TEST(KeySets, LeaveOutWhatTheyCannotUse) {
  EXPECT_FALSE(KeySet::parse("[]"));
  EXPECT_FALSE(KeySet::parse("{}"));
  EXPECT_FALSE(KeySet::parse(R"({"keys":{}})"));
  const auto size = [](const std::string& key) { return KeySet::parse("{\"keys\":[" + key + "]}")->size(); };
  EXPECT_EQ(size(R"({"kty":"oct","k":"AAAA"})"), 0U) << "a shared secret never";
  EXPECT_EQ(size(R"({"kty":"RSA","n":"AQAB","e":"AQAB"})"), 0U) << "too short";
  EXPECT_EQ(size(R"({"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"})"), 0U);
  EXPECT_EQ(size(R"({"kty":"EC","crv":"P-521","x":"AAAA","y":"AAAA"})"), 0U);
  EXPECT_EQ(size(R"({"kty":"OKP","crv":"Ed25519","x":"AAAA"})"), 0U);
  EXPECT_EQ(size(R"(7,null,{})"), 0U);
  const std::string key = R"("kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")";
  EXPECT_EQ(size('{' + key + '}'), 1U);
  EXPECT_EQ(size('{' + key + R"(,"use":"enc"})"), 0U);
  EXPECT_EQ(size('{' + key + R"(,"alg":"ES256"})"), 0U);
}

std::string with_header(const std::string& header) {
  return base64url_encode(header) + '.' + base64url_encode("{}") + '.' + base64url_encode("signature");
}

TEST(Rfc8725Section31, AlgorithmsThatDoNotCount) {
  for (const char* header : {R"({"alg":"none"})", R"({"alg":"HS256"})", R"({"alg":"rs256"})",
                             R"({"typ":"JWT"})", R"({"alg":7})", R"({"alg":"RS256","crit":["exp"]})"})
    EXPECT_EQ(parse_jwt(with_header(header)).error().code, Errc::Denied) << header;
  EXPECT_TRUE(parse_jwt(with_header(R"({"alg":"RS256","typ":"at+jwt"})")));
  for (const std::string& bad :
       {std::string(""), std::string("a.b"), std::string("a.b.c.d"), with_header("[]"), with_header("{"),
        with_header(R"({"alg":"RS256"})") + "="})
    EXPECT_EQ(parse_jwt(bad).error().code, Errc::Malformed) << bad;
}

TEST(Rfc7519Section41, ClaimsMustBeForUsAndNow) {
  const Rules rules{"https://id.example", {"postern", "mail"}, "smtp"};
  const auto verdict = [&rules](const std::string& claims) -> std::string {
    const Result<Claims> parsed = parse_claims(claims);
    if (!parsed) return "malformed";
    const Result<> checked = check_claims(*parsed, rules, kNow);
    return checked ? "good" : checked.error().detail;
  };
  const std::string base = R"("iss":"https://id.example","scope":"openid smtp")";
  EXPECT_EQ(verdict('{' + base + R"(,"aud":"postern","exp":1700000001})"), "good");
  EXPECT_EQ(verdict('{' + base + R"(,"aud":["x","mail"],"exp":1699999970.5,"nbf":1700000030})"), "good")
      << "clocks differ";
  EXPECT_EQ(verdict('{' + base + R"(,"aud":"postern"})"), "the token has no expiry");
  EXPECT_EQ(verdict('{' + base + R"(,"aud":"postern","exp":1699999940})"), "the token has expired");
  EXPECT_EQ(verdict('{' + base + R"(,"aud":"postern","exp":1700000001,"nbf":1700000061})"),
            "the token is not valid yet");
  EXPECT_EQ(verdict('{' + base + R"(,"aud":"Postern","exp":1700000001})"),
            "the token is for another audience");
  EXPECT_EQ(verdict('{' + base + R"(,"exp":1700000001})"), "the token is for another audience");
  EXPECT_EQ(verdict(R"({"iss":"https://id.example/","aud":"mail","exp":1700000001})"),
            "the token is of another issuer");
  EXPECT_EQ(verdict(R"({"iss":"https://id.example","aud":"mail","exp":1700000001,"scope":"smtpx"})"),
            "the token lacks the scope smtp");
  EXPECT_EQ(verdict(R"({"iss":"https://id.example","aud":"mail","exp":1700000001,"scp":["smtp"]})"), "good");
  for (const char* exp : {"\"1700000001\"", "-1", "1e300", "null", "[]"})
    EXPECT_EQ(verdict('{' + base + R"(,"aud":"postern","exp":)" + exp + '}'), "malformed") << exp;
  EXPECT_TRUE(parse_claims(R"({"email_verified":false})")->email_unverified);
  EXPECT_TRUE(parse_claims(R"({"email_verified":"false"})")->email_unverified);
  EXPECT_FALSE(parse_claims(R"({"email_verified":"true"})")->email_unverified);
  EXPECT_FALSE(parse_claims(R"({"email_verified":true})")->email_unverified);
  EXPECT_FALSE(parse_claims("{}")->email_unverified);
}

}  // namespace
}  // namespace postern::oauth
