#include "sasl/scram.h"

#include "base/base64.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

namespace postern::sasl {
namespace {

constexpr const char* kServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr const char* kServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

ScramSecrets secrets_of(std::string_view password) {
  ScramSecrets secrets{*base64_decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096, {}};
  if (!password.empty()) secrets.keys.push_back(*derive_scram_keys(password, secrets.salt, 4096));
  return secrets;
}

std::string hmac(std::string_view key, std::string_view text) {
  std::string out(32, '\0');
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       reinterpret_cast<unsigned char*>(out.data()), nullptr);
  return out;
}

/// The client's side, written from RFC 5802 §3 without use of ours.
std::string client_final(const std::string& channel, const std::string& bare, const std::string& server_first,
                         const std::string& password = "pencil") {
  const std::string nonce = server_first.substr(2, server_first.find(",s=") - 2);
  const std::string salt = *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==");
  std::string salted(32, '\0');
  PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                    reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()), 4096,
                    EVP_sha256(), 32, reinterpret_cast<unsigned char*>(salted.data()));
  const std::string client_key = hmac(salted, "Client Key");
  std::string stored(32, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(client_key.data()), 32,
         reinterpret_cast<unsigned char*>(stored.data()));
  const std::string without_proof = "c=" + base64_encode(channel) + ",r=" + nonce;
  std::string proof = hmac(stored, bare + ',' + server_first + ',' + without_proof);
  for (std::size_t i = 0; i < proof.size(); ++i) proof[i] = static_cast<char>(proof[i] ^ client_key[i]);
  return without_proof + ",p=" + base64_encode(proof);
}

const ChannelBinding kBound{"exporter-octets", "certificate-hash"};

/// SCRAM-SHA-256 alone, SCRAM-SHA-256 where PLUS is offered as well, and PLUS.
enum class Offer { Nothing, BesidePlus, Plus };

struct Outcome {
  std::string challenge;
  bool claimed = false;
  bool proven = false;
  std::string authcid;
  std::string authzid;
  std::string final_data;
};

/// Runs both messages; the second is made of `channel`, or is `second` as it stands.
Outcome run(Offer offer, const std::string& gs2, const std::string& bare, const std::string& channel,
            const std::string& password = "pencil", const std::string& second = "") {
  const auto find = [](std::string_view name) { return secrets_of(name == "nobody" ? "" : "pencil"); };
  Scram scram = offer == Offer::Plus ? Scram(kBound, find, kServerNonce)
                                     : Scram(offer == Offer::BesidePlus, find, kServerNonce);
  Outcome out;
  const Step first = scram.on_response(gs2 + bare);
  if (!std::holds_alternative<Challenge>(first)) return out;
  out.challenge = std::get<Challenge>(first).octets;
  const Step last =
      scram.on_response(second.empty() ? client_final(channel, bare, out.challenge, password) : second);
  if (!std::holds_alternative<Claim>(last)) return out;
  const auto& claim = std::get<ProofClaim>(std::get<Claim>(last));
  out.claimed = true;
  out.proven = claim.proven.has_value();
  out.authcid = claim.authcid;
  out.authzid = claim.authzid;
  out.final_data = scram.success_data();
  return out;
}

TEST(Rfc7677Section3, TheExampleExchange) {
  const Outcome got = run(Offer::Nothing, "n,,", "n=user,r=rOprNGfwEbeRWgbNEkqO", "", "",
                          "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                          "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  EXPECT_EQ(got.challenge, kServerFirst);
  EXPECT_TRUE(got.proven);
  EXPECT_EQ(got.authcid, "user");
  EXPECT_EQ(got.final_data, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

TEST(Rfc5802Section5, AWrongPasswordAndAnUnknownNameLookTheSame) {
  const Outcome wrong = run(Offer::Nothing, "n,,", "n=user,r=abc", "n,,", "pencils");
  const Outcome nobody = run(Offer::Nothing, "n,,", "n=nobody,r=abc", "n,,", "pencil");
  for (const Outcome& got : {wrong, nobody}) {
    EXPECT_TRUE(got.claimed);
    EXPECT_FALSE(got.proven);
    EXPECT_EQ(got.final_data, "");
  }
  EXPECT_EQ(wrong.challenge, nobody.challenge);
  EXPECT_TRUE(run(Offer::Nothing, "n,a=other,", "n=us=2Cer=3D,r=abc", "n,a=other,").proven);
  EXPECT_TRUE(run(Offer::Nothing, "n,a=,", "n=user,r=abc", "n,a=,").proven)
      << "nobody else, in gsasl's words";
  EXPECT_EQ(run(Offer::Nothing, "n,a=o=2Cr,", "n=us=2Cer=3D,r=abc", "n,a=o=2Cr,").authcid, "us,er=");
  EXPECT_EQ(run(Offer::Nothing, "n,a=o=2Cr,", "n=user,r=abc", "n,a=o=2Cr,").authzid, "o,r");
}

struct BindingCase {
  const char* what;
  Offer offer;
  const char* gs2;
  const char* data;
  bool begins;
  bool proven;
};

TEST(Rfc5802Section6, ChannelBindingAndDowngrade) {
  for (const BindingCase& c : {
           BindingCase{"exporter", Offer::Plus, "p=tls-exporter,,", "exporter-octets", true, true},
           BindingCase{"certificate", Offer::Plus, "p=tls-server-end-point,,", "certificate-hash", true,
                       true},
           BindingCase{"another connection's data", Offer::Plus, "p=tls-exporter,,", "relayed-octets!", true,
                       false},
           BindingCase{"no data", Offer::Plus, "p=tls-exporter,,", "", true, false},
           BindingCase{"a binding we do not have", Offer::Plus, "p=tls-unique,,", "x", false, false},
           BindingCase{"PLUS without", Offer::Plus, "n,,", "", false, false},
           BindingCase{"PLUS not believed in", Offer::Plus, "y,,", "", false, false},
           BindingCase{"a client without binding", Offer::BesidePlus, "n,,", "", true, true},
           BindingCase{"the offer of PLUS was removed on the way", Offer::BesidePlus, "y,,", "", false,
                       false},
           BindingCase{"binding without PLUS", Offer::BesidePlus, "p=tls-exporter,,", "exporter-octets",
                       false, false},
       }) {
    const Outcome got = run(c.offer, c.gs2, "n=user,r=abc", std::string(c.gs2) + c.data);
    EXPECT_EQ(!got.challenge.empty(), c.begins) << c.what;
    EXPECT_EQ(got.proven, c.proven) << c.what;
  }
  EXPECT_TRUE(run(Offer::Nothing, "y,,", "n=user,r=abc", "y,,").proven) << "true where PLUS is not offered";
}

TEST(Rfc5802Section7, MessagesThatBreakTheGrammarFail) {
  for (const char* first : {"", "n", "n,", "x,,n=user,r=abc", "n,,r=abc,n=user", "n,,n=,r=abc",
                            "n,,n=user,r=", "n,,n=us=er,r=abc", "n,,n=user", "n,,m=ext,n=user,r=abc",
                            "p=,,n=user,r=abc", "n,b=x,n=user,r=abc", "n,,n=user,r=a\x01"}) {
    Scram scram(false, [](std::string_view) { return secrets_of("pencil"); });
    EXPECT_TRUE(std::holds_alternative<Failed>(scram.on_response(first))) << first;
    EXPECT_TRUE(std::holds_alternative<Failed>(scram.on_response("n,,n=user,r=abc"))) << "it is over";
  }
  const std::string good = client_final("n,,", "n=user,r=abc", std::string("r=abc") + kServerNonce + ",s=");
  for (const std::string& last :
       {std::string("c=biws"), "c=biws,r=abc,p=" + std::string(44, 'A'), good.substr(0, good.size() - 4),
        good + ",x=1", "r=" + good, std::string("c=biws,r=abc") + kServerNonce + ",p=AAAA"}) {
    EXPECT_FALSE(run(Offer::Nothing, "n,,", "n=user,r=abc", "", "", last).claimed) << last;
  }
}

TEST(ScramKeys, OneOfSeveralPasswordsOfAName) {
  const ScramSecrets base = secrets_of("");
  Scram scram(
      false,
      [&base](std::string_view) {
        ScramSecrets all = base;
        for (const char* password : {"first", "pencil", "third"})
          all.keys.push_back(*derive_scram_keys(password, all.salt, all.iterations));
        return all;
      },
      kServerNonce);
  const std::string challenge = std::get<Challenge>(scram.on_response("n,,n=user,r=abc")).octets;
  const Step last = scram.on_response(client_final("n,,", "n=user,r=abc", challenge));
  const auto& claim = std::get<ProofClaim>(std::get<Claim>(last));
  EXPECT_EQ(claim.proven, *derive_scram_keys("pencil", base.salt, base.iterations));
}

TEST(Rfc4013, PasswordsArePrepared) {
  // The examples of §3 and more.
  for (const auto& [text, prepared] : {
           std::pair{"plain ascii", "plain ascii"},
           {"I\xC2\xADX", "IX"},                      // soft hyphen goes
           {"USER", "USER"},                          // case stays
           {"\xC2\xAA", "a"},                         // NFKC
           {"\xE2\x85\xA8", "IX"},                    // so the Roman numeral
           {"u\xCC\x88", "\xC3\xBC"},                 // composed
           {"a\xC2\xA0z", "a z"},                     // a space is a space
           {"\xF0\x9F\x94\x91", "\xF0\x9F\x94\x91"},  // a key, younger than Unicode 3.2
           {"\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D", "\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D"},  // Hebrew alone
       }) {
    const Result<std::string> got = saslprep(text);
    ASSERT_TRUE(got) << text << ": " << got.error().detail;
    EXPECT_EQ(*got, prepared);
  }
}

TEST(Rfc4013, WhatIsProhibitedIsRefused) {
  for (const std::string& bad : {
           std::string{}, std::string("\x07"), std::string("tab\there"), std::string("a\0b", 3),
           std::string("\xFF\xFE"),      // not UTF-8
           std::string("\xD8\xA7\x31"),  // §3: ALEF and 1, both directions
           std::string("\xC2\xAD"),      // nothing is left
           std::string("\xEE\x80\x80"),  // private use
           std::string("\xEF\xBF\xBD"),  // replacement character
           std::string("a\xE2\x80\x8E"
                       "b"),  // left-to-right mark
       }) {
    const Result<std::string> got = saslprep(bad);
    ASSERT_FALSE(got) << bad;
    EXPECT_EQ(got.error().code, Errc::Malformed);
    EXPECT_FALSE(derive_scram_keys(bad, "salt", 4096));
  }
  ScramSecrets secrets{"salt", 4096, {}};
  const auto find = [&secrets](std::string_view) { return secrets; };
  EXPECT_TRUE(std::holds_alternative<Failed>(Scram(false, find)
                                                 .on_response("n,,n=a\x07"
                                                              "b,r=abc")))
      << "RFC 5802 §5.1: such a name ends the exchange";
  EXPECT_TRUE(std::holds_alternative<Challenge>(Scram(false, find).on_response("n,,n=a\xC2\xAA,r=abc")));
}

}  // namespace
}  // namespace postern::sasl
