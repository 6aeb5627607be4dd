#include "delivery/sign.h"

#include <gtest/gtest.h>

namespace postern::delivery {
namespace {

constexpr TimePoint kNow{std::chrono::milliseconds{1'700'000'000'000}};
constexpr std::string_view kMessage = "From: a@example.org\r\nSubject: hi\r\n\r\nbody\r\n.\r\nend\r\n";

dkim::SigningKey make_key() { return *dkim::SigningKey::generate(1024); }

TEST(SignerTest, SignatureVerifiesAndFollowsAKeyChange) {
  const dkim::SigningKey first = make_key();
  const dkim::SigningKey second = make_key();
  std::string pem = first.pem();
  const Signer signer([&pem](std::string_view) { return DomainKeyText{"s1", pem}; });

  for (const dkim::SigningKey* key : {&first, &first, &second}) {
    pem = key->pem();
    const Result<std::string> field = signer.sign_message("example.org", kNow, kMessage);
    ASSERT_TRUE(field) << field.error().detail;
    const auto verified = dkim::verify(*key, *field + std::string(kMessage));
    ASSERT_TRUE(verified) << verified.error().detail;
    EXPECT_EQ(verified->domain, "example.org");
    EXPECT_EQ(verified->selector, "s1");
  }
}

TEST(SignerTest, WithoutAUsableKeyMailWaits) {
  const Signer none([](std::string_view) { return std::nullopt; });
  const Result<std::string> missing = none.sign_message("example.org", kNow, kMessage);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::Unavailable);
  const Signer broken([](std::string_view) { return DomainKeyText{"s1", "not PEM"}; });
  const Result<std::string> unreadable = broken.sign_message("example.org", kNow, kMessage);
  ASSERT_FALSE(unreadable);
  EXPECT_EQ(unreadable.error().code, Errc::Unavailable);
}

TEST(MessageDigestTest, CutsDoNotMatter) {
  for (const std::string& message :
       {std::string(kMessage), std::string("\r\nonly a body\r\n"), std::string("A: b\r\n\r\n")}) {
    MessageDigest whole;
    whole.update(message);
    const std::string expected = whole.finish();
    for (std::size_t step = 1; step < 8; ++step) {
      MessageDigest pieces;
      for (std::size_t at = 0; at < message.size(); at += step)
        pieces.update(std::string_view(message).substr(at, step));
      EXPECT_EQ(pieces.header(), whole.header());
      EXPECT_EQ(pieces.finish(), expected) << "step " << step;
    }
  }
}

}  // namespace
}  // namespace postern::delivery
