#include "sasl/scram_client.h"

#include "base/base64.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace postern::sasl {
namespace {

constexpr std::uint32_t kFewest = 4096;  // RFC 7677 §4
constexpr std::uint32_t kMost = 1'000'000;
constexpr std::string_view kHeader = "n,,";  // no channel binding, no authorization identity

std::string hmac(std::string_view key, std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> out{};
  unsigned length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &length);
  return {reinterpret_cast<const char*>(out.data()), length};
}

std::string sha256(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> out{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data());
  return {reinterpret_cast<const char*>(out.data()), out.size()};
}

std::string salted(const std::string& password, std::string_view salt, std::uint32_t iterations) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> out{};
  PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                    reinterpret_cast<const unsigned char*>(salt.data()), static_cast<int>(salt.size()),
                    static_cast<int>(iterations), EVP_sha256(), static_cast<int>(out.size()), out.data());
  return {reinterpret_cast<const char*>(out.data()), out.size()};
}

std::string random_nonce() {
  std::array<unsigned char, 18> octets{};
  RAND_bytes(octets.data(), static_cast<int>(octets.size()));
  return base64_encode({reinterpret_cast<const char*>(octets.data()), octets.size()});
}

/// saslname: "=2C" and "=3D" for comma and equals sign (RFC 5802 §5.1).
std::string saslname(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == ',') {
      out += "=2C";
    } else if (c == '=') {
      out += "=3D";
    } else {
      out += c;
    }
  }
  return out;
}

/// The value of the attribute that comes next, "r=..." up to the comma.
Result<std::string_view> attribute(std::string_view& rest, char name) {
  if (rest.size() < 2 || rest[0] != name || rest[1] != '=')
    return fail(Errc::Malformed, std::string("SCRAM: no ") + name + "= where it belongs");
  const std::string_view value =
      rest.substr(2, rest.find(',') == std::string_view::npos ? std::string_view::npos : rest.find(',') - 2);
  rest.remove_prefix(std::min(value.size() + 3, rest.size()));
  return value;
}

}  // namespace

ScramClient::ScramClient(std::string_view user, std::string password, std::string nonce)
    : password_(std::move(password)), nonce_(nonce.empty() ? random_nonce() : std::move(nonce)) {
  first_bare_ = "n=" + saslname(user) + ",r=" + nonce_;
}

std::string ScramClient::first() const { return std::string(kHeader) + first_bare_; }

Result<std::string> ScramClient::final(std::string_view server_first) {
  std::string_view rest = server_first;
  POSTERN_TRY(const std::string_view nonce, attribute(rest, 'r'));
  POSTERN_TRY(const std::string_view salt_text, attribute(rest, 's'));
  POSTERN_TRY(const std::string_view count, attribute(rest, 'i'));
  // RFC 5802 §5.1: the server's nonce begins with ours, or somebody plays back an old dialogue.
  if (!nonce.starts_with(nonce_) || nonce.size() == nonce_.size())
    return fail(Errc::Denied, "SCRAM: the server's nonce does not continue ours");
  const auto salt = base64_decode(salt_text);
  std::uint32_t iterations = 0;
  const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), iterations);
  if (!salt || error != std::errc{} || end != count.data() + count.size())
    return fail(Errc::Malformed, "SCRAM: bad salt or count of iterations");
  if (iterations < kFewest || iterations > kMost)
    return fail(Errc::Denied, "SCRAM: " + std::to_string(iterations) + " iterations");

  const std::string key = salted(password_, *salt, iterations);
  const std::string client_key = hmac(key, "Client Key");
  const std::string without_proof = "c=" + base64_encode(kHeader) + ",r=" + std::string(nonce);
  const std::string auth_message = first_bare_ + "," + std::string(server_first) + "," + without_proof;
  std::string proof = hmac(sha256(client_key), auth_message);
  for (std::size_t i = 0; i < proof.size(); ++i) proof[i] = static_cast<char>(proof[i] ^ client_key[i]);
  server_signature_ = hmac(hmac(key, "Server Key"), auth_message);
  return without_proof + ",p=" + base64_encode(proof);
}

Result<> ScramClient::verify(std::string_view server_final) const {
  std::string_view rest = server_final;
  if (rest.starts_with("e=")) return fail(Errc::Denied, "SCRAM: " + std::string(rest.substr(2)));
  POSTERN_TRY(const std::string_view text, attribute(rest, 'v'));
  const auto signature = base64_decode(text);
  const bool right = signature && !server_signature_.empty() &&
                     signature->size() == server_signature_.size() &&
                     CRYPTO_memcmp(signature->data(), server_signature_.data(), signature->size()) == 0;
  if (!right)
    return fail(Errc::Denied, "SCRAM: the server does not know the password: it is not who it seems");
  return {};
}

}  // namespace postern::sasl
