#include "base/base64.h"
#include "dkim/body_hash.h"
#include "dkim/canonical.h"
#include "dkim/signer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

// tests/golden/dkim: NAME.eml signed with key.pem is NAME.signed, octet for octet (PKCS#1 v1.5 signatures have no
// random part). tests/e2e/test_peers_dkim.py lets other implementations verify the same files.
// POSTERN_UPDATE_GOLDEN=1 writes them.
namespace postern::dkim {
namespace {

std::string folder() { return std::string(POSTERN_SOURCE_DIR) + "/tests/golden/dkim/"; }

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& entry : std::filesystem::directory_iterator(folder())) {
    if (entry.path().extension() == ".eml") all.push_back(entry.path().stem().string());
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::string signed_in_pieces(const SigningKey& key, const std::string& message, std::size_t cut) {
  const std::size_t head = message.find("\r\n\r\n") + 2;
  const std::string_view body = std::string_view(message).substr(head + 2);
  BodyHash hash;
  for (std::size_t at = 0; at < body.size(); at += cut) hash.update(body.substr(at, cut));
  const SignOptions options{"example.org", "golden", TimePoint{std::chrono::seconds{1'700'000'000}}, {}};
  const Result<std::string> field = sign(key, options, message.substr(0, head), hash.finish());
  EXPECT_TRUE(field) << field.error().detail;
  return *field + message;
}

class DkimGoldenTest : public testing::TestWithParam<std::string> {
 protected:
  const SigningKey key_ = *SigningKey::from_pem(read_file(folder() + "key.pem"));
};

TEST_P(DkimGoldenTest, SignsAsTheGoldenFileSays) {
  EXPECT_TRUE(std::filesystem::exists(folder() + GetParam() + ".why"));
  const std::string message = read_file(folder() + GetParam() + ".eml");
  const std::string got = signed_in_pieces(key_, message, message.size());
  const std::string path = folder() + GetParam() + ".signed";
  if (std::getenv("POSTERN_UPDATE_GOLDEN") != nullptr) std::ofstream(path, std::ios::binary) << got;
  EXPECT_EQ(got, read_file(path));
  for (const std::size_t cut : {std::size_t{1}, std::size_t{2}, std::size_t{7}})
    EXPECT_EQ(signed_in_pieces(key_, message, cut), got) << "body in pieces of " << cut;
  const Result<Verified> verified = verify(key_, got);
  EXPECT_TRUE(verified) << verified.error().detail;
}

INSTANTIATE_TEST_SUITE_P(Rfc6376, DkimGoldenTest, testing::ValuesIn(names()),
                         [](const auto& test) { return test.param; });

// The RSA signature that RFC 8463 appendix A prints is over exactly what our canonical form gives.
TEST(Rfc8463AppendixA, PublishedSignatureHoldsOverOurCanonicalForm) {
  const SigningKey key = *SigningKey::from_pem(
      "-----BEGIN RSA PRIVATE KEY-----\n"
      "MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi\n"
      "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM\n"
      "KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n"
      "AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm\n"
      "6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe\n"
      "zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy\n"
      "6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc\n"
      "uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy\n"
      "WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd\n"
      "WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a\n"
      "licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst\n"
      "o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe\n"
      "uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL\n"
      "-----END RSA PRIVATE KEY-----\n");
  BodyHash body;
  body.update("Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n");
  EXPECT_EQ(base64_encode(body.finish()), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
  std::string covered;
  for (const char* field :
       {"From: Joe SixPack <joe@football.example.com>\r\n", "To: Suzie Q <suzie@shopping.example.net>\r\n",
        "Subject: Is dinner ready?\r\n", "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n",
        "Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n",
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
        " d=football.example.com; i=@football.example.com;\r\n"
        " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
        " date : message-id : from : subject : date;\r\n"
        " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b="})
    covered += relaxed_field(field);
  covered.resize(covered.size() - 2);
  const Result<std::string> signature = base64_decode(
      "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3"
      "DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz"
      "dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=");
  ASSERT_TRUE(signature);
  EXPECT_TRUE(key.verifies(covered, *signature));
}

}  // namespace
}  // namespace postern::dkim
