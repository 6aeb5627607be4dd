#include "base/base64.h"
#include "dkim/canonical.h"
#include "dkim/signer.h"

#include <gtest/gtest.h>

namespace postern::dkim {
namespace {

std::string relaxed(std::string_view body, std::size_t cut) {
  RelaxedBody canonical;
  std::string out;
  for (std::size_t at = 0; at < body.size(); at += cut) canonical.feed(body.substr(at, cut), out);
  canonical.finish(out);
  return out;
}

TEST(Rfc6376Section345, TheExamples) {
  EXPECT_EQ(relaxed_field("A: X\r\n"), "a:X\r\n");
  EXPECT_EQ(relaxed_field("B : Y\t\r\n\tZ  \r\n"), "b:Y Z\r\n");
  const std::string_view body = " C \r\nD \t E\r\n\r\n\r\n";
  for (std::size_t cut = 1; cut <= body.size(); ++cut) EXPECT_EQ(relaxed(body, cut), " C\r\nD E\r\n") << cut;
}

TEST(Rfc6376Section344, BodiesHoweverCut) {
  struct Case {
    std::string_view body;
    std::string_view out;
  };
  for (const Case& c :
       {Case{"", ""}, Case{"\r\n", ""}, Case{"\r\n\r\n", ""}, Case{"  \t\r\n", ""}, Case{"a", "a\r\n"},
        Case{"a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"}, Case{"a \r\n \r\nb", "a\r\n\r\nb\r\n"},
        // A CR or LF alone ends no line (binary content has them): it is text like any other octet.
        Case{"a\nb \n\r\n", "a\nb \n\r\n"}, Case{"a\rb\r\r\nc\r", "a\rb\r\r\nc\r\r\n"}, Case{"\n", "\n\r\n"},
        Case{" \r", " \r\r\n"}}) {
    for (std::size_t cut = 1; cut <= c.body.size() + 1; ++cut) EXPECT_EQ(relaxed(c.body, cut), c.out);
  }
}

TEST(Rfc6376Section344, HashOfAnEmptyBody) {
  BodyHash hash;
  EXPECT_EQ(base64_encode(hash.finish()), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}

constexpr std::string_view kMessage =
    "Received: by x\r\nFrom: Alice <alice@example.org>\r\nTo: bob@example.net\r\nSubject: Hi\r\n there\r\n"
    "List-Unsubscribe: <https://example.org/u>\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\n\r\nHello  world "
    "\r\n\r\n";

std::string signed_message(const SigningKey& key, std::string_view message) {
  const std::size_t head = message.find("\r\n\r\n");
  BodyHash body;
  body.update(message.substr(head + 4));
  const Result<std::string> field =
      sign(key, {"example.org", "sel", TimePoint{std::chrono::seconds{1'795'000'000}}, {}},
           message.substr(0, head + 2), body.finish());
  EXPECT_TRUE(field);
  return *field + std::string(message);
}

TEST(DkimSign, SurvivesRelaxedChangesAndNothingElse) {
  const SigningKey key = *SigningKey::generate(2048);
  const std::string good = signed_message(key, kMessage);
  const Result<Verified> verified = verify(key, good);
  ASSERT_TRUE(verified) << verified.error().detail;
  EXPECT_EQ(verified->domain, "example.org");

  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return verify(key, text);
  };
  EXPECT_TRUE(changed("Subject: Hi\r\n there", "subject:  Hi there ")) << "relaxed";
  EXPECT_TRUE(changed("Received: by x", "Received: by y")) << "trace is not signed";
  EXPECT_FALSE(changed("Subject: Hi", "Subject: Ho"));
  EXPECT_FALSE(changed("Hello", "Hullo"));
  EXPECT_FALSE(changed("u>", "v>")) << "RFC 8058 §4";
  EXPECT_FALSE(changed("Subject:", "From: eve@example.org\r\nSubject:")) << "From is oversigned";
  EXPECT_FALSE(changed("Subject:", "Reply-To: eve@example.org\r\nSubject:"))
      << "an absent field is oversigned too";
  EXPECT_FALSE(verify(*SigningKey::generate(2048), good));
}

TEST(DkimSign, LinesStayShortAndNoLengthTag) {
  const std::string message = signed_message(*SigningKey::generate(2048), kMessage);
  const std::string field = message.substr(0, message.find("Received:"));
  for (std::size_t at = 0; at < field.size();) {
    const std::size_t end = field.find("\r\n", at);
    EXPECT_LE(end - at, 78U);
    at = end + 2;
  }
  EXPECT_EQ(field.find(" l="), std::string::npos);
  EXPECT_NE(field.find("a=rsa-sha256"), std::string::npos);
}

TEST(Rfc8301Section32, KeysAndTheirRecords) {
  const SigningKey key = *SigningKey::generate(2048);
  const Result<SigningKey> same = SigningKey::from_pem(key.pem());
  ASSERT_TRUE(same);
  EXPECT_EQ(same->dns_record(), key.dns_record());
  EXPECT_EQ(key.dns_record().substr(0, 18), "v=DKIM1; k=rsa; p=");
  EXPECT_EQ(SigningKey::from_pem("nonsense").error().code, Errc::Malformed);
  EXPECT_EQ(SigningKey::from_pem(SigningKey::generate(768)->pem()).error().code, Errc::Malformed);
}

}  // namespace
}  // namespace postern::dkim
