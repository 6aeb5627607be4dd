#include "sasl/mechanism.h"

#include <gtest/gtest.h>

namespace postern::sasl {
namespace {

using namespace std::string_literals;

const Environment kPasswords{};

/// What became of one response: the claim of type T, if there is one.
template <class T>
std::optional<T> claim_of(const Step& step) {
  if (!std::holds_alternative<Claim>(step)) return std::nullopt;
  return std::get<T>(std::get<Claim>(step));
}

TEST(Rfc4616Section2, PlainNeedsExactlyTwoNulsAndBothFields) {
  const auto run = [](const std::string& response) {
    return make_mechanism("PLAIN", kPasswords)->on_response(response);
  };
  const std::optional<PasswordClaim> good = claim_of<PasswordClaim>(run("bob\0alice\0secret"s));
  ASSERT_TRUE(good);
  EXPECT_EQ(good->authzid, "bob");
  EXPECT_EQ(good->authcid, "alice");
  EXPECT_EQ(good->password, "secret");
  EXPECT_TRUE(claim_of<PasswordClaim>(run("\0"s + std::string(255, 'u') + "\0"s + std::string(255, 'p'))));
  for (const std::string& bad :
       {""s, "alice"s, "\0alice"s, "\0\0"s, "\0alice\0"s, "\0\0secret"s, "\0a\0b\0c"s,
        "\0a\0"s + std::string(256, 'p'), std::string(256, 'z') + "\0a\0b"s}) {
    EXPECT_TRUE(std::holds_alternative<Failed>(run(bad))) << bad.size();
  }
}

TEST(SaslLogin, AsksForNameThenPassword) {
  const auto login = make_mechanism("LOGIN", kPasswords);
  EXPECT_EQ(login->first_challenge(), "Username:");
  const Step asked = login->on_response("alice");
  ASSERT_TRUE(std::holds_alternative<Challenge>(asked));
  EXPECT_EQ(std::get<Challenge>(asked).octets, "Password:");
  EXPECT_EQ(claim_of<PasswordClaim>(login->on_response("secret"))->authcid, "alice");
  EXPECT_TRUE(std::holds_alternative<Failed>(make_mechanism("LOGIN", kPasswords)->on_response("")));
}

TEST(Sasl, OffersWhatTheConnectionCanDo) {
  EXPECT_EQ(mechanism_names(kPasswords), "PLAIN LOGIN");
  Environment all{.tokens = true, .certificate = true, .binds = true};
  all.find_secrets = [](std::string_view) { return ScramSecrets{}; };
  all.find_binding = [] { return ChannelBinding{"exporter", "hash"}; };
  EXPECT_EQ(mechanism_names(all),
            "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS OAUTHBEARER XOAUTH2 EXTERNAL");
  for (const char* name :
       {"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "OAUTHBEARER", "XOAUTH2", "EXTERNAL"})
    EXPECT_NE(make_mechanism(name, all), nullptr) << name;
  for (const char* name :
       {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "OAUTHBEARER", "XOAUTH2", "EXTERNAL", "CRAM-MD5"})
    EXPECT_EQ(make_mechanism(name, kPasswords), nullptr) << "not offered, so not accepted: " << name;
  EXPECT_EQ(make_mechanism("plain", all), nullptr) << "the caller folds case";
  all.binds = false;
  EXPECT_EQ(make_mechanism("SCRAM-SHA-256-PLUS", all), nullptr);
  all.passwords = false;
  EXPECT_EQ(make_mechanism("PLAIN", all), nullptr);
}

Environment with_tokens() {
  return {.tokens = true, .token_scope = "mail", .openid_discovery = "https://id.example/d"};
}

TEST(Rfc7628Section31, OAuthBearerTakesTheTokenAndTheNameItIsFor) {
  const Environment environment = with_tokens();
  const auto run = [&environment](const std::string& response) {
    return make_mechanism("OAUTHBEARER", environment)->on_response(response);
  };
  const std::optional<TokenClaim> claim =
      claim_of<TokenClaim>(run("n,a=user@example.com,\x01host=server.example.com\x01port=143\x01"s +
                               "auth=Bearer vF9dft4qmT.c2Nv==\x01\x01"));
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->authzid, "user@example.com");
  EXPECT_EQ(claim->token, "vF9dft4qmT.c2Nv==");
  EXPECT_EQ(claim_of<TokenClaim>(run("n,,\x01"s + "auth=bearer t\x01\x01"))->authzid, "")
      << "the type is not case-sensitive";
  EXPECT_TRUE(claim_of<TokenClaim>(run("y,,\x01"s + "auth=Bearer t\x01\x01")));
  for (const std::string& bad :
       {""s, "\x01"s, "n,,"s, "n,,\x01\x01"s, "n,,\x01"s + "auth=Bearer t", "n,,\x01"s + "auth=Bearer t\x01",
        "n,,\x01"s + "auth=Basic dTpw\x01\x01", "n,,\x01"s + "auth=Bearer \x01\x01",
        "n,,\x01"s + "auth=Bearer a b\x01\x01", "n,,\x01"s + "auth=Bearer a\"\r\n\x01\x01",
        "p=tls-exporter,,\x01"s + "auth=Bearer t\x01\x01", "n,,auth=Bearer t\x01\x01"s,
        "n,,\x01"s + "auth=Bearer t\x01\x01junk", "n,,\x01"s + "=x\x01" + "auth=Bearer t\x01\x01"}) {
    EXPECT_TRUE(std::holds_alternative<Failed>(run(bad))) << bad;
  }
  EXPECT_EQ(make_mechanism("OAUTHBEARER", environment)->failure_data(),
            R"({"status":"invalid_token","scope":"mail","openid-configuration":"https://id.example/d"})");
}

TEST(XOAuth2, TakesNameAndToken) {
  const Environment environment = with_tokens();
  const auto run = [&environment](const std::string& response) {
    return make_mechanism("XOAUTH2", environment)->on_response(response);
  };
  const std::optional<TokenClaim> claim =
      claim_of<TokenClaim>(run("user=a@b.example\x01"s + "auth=Bearer ya29.x-y_z\x01\x01"));
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->authzid, "a@b.example");
  EXPECT_EQ(claim->token, "ya29.x-y_z");
  for (const std::string& bad :
       {""s, "user=a\x01\x01"s, "auth=Bearer t\x01\x01"s, "user=a\x01"s + "auth=Bearer t\x01"})
    EXPECT_TRUE(std::holds_alternative<Failed>(run(bad))) << bad;
  EXPECT_EQ(make_mechanism("XOAUTH2", environment)->failure_data(),
            R"({"status":"401","schemes":"bearer","scope":"mail"})");
}

TEST(Rfc4422AppendixA, ExternalTakesAnIdentityOrNone) {
  const Environment environment{.certificate = true};
  const auto run = [&environment](const std::string& response) {
    return make_mechanism("EXTERNAL", environment)->on_response(response);
  };
  EXPECT_EQ(claim_of<CertificateClaim>(run(""))->authzid, "");
  EXPECT_EQ(claim_of<CertificateClaim>(run("a@b.example"))->authzid, "a@b.example");
  EXPECT_TRUE(std::holds_alternative<Failed>(run("a\0b"s)));
}

TEST(Claims, ActingAsSomebodyElseIsSeen) {
  EXPECT_FALSE(asks_for_another(PasswordClaim{"", "alice", "x"}));
  EXPECT_FALSE(asks_for_another(PasswordClaim{"ALICE", "alice", "x"}));
  EXPECT_TRUE(asks_for_another(PasswordClaim{"bob", "alice", "x"}));
  EXPECT_TRUE(asks_for_another(ProofClaim{"bob", "alice", {}}));
  EXPECT_EQ(claimed_name(TokenClaim{"carol", "t"}), "carol");
}

}  // namespace
}  // namespace postern::sasl
