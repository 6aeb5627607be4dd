#include "accounts/server_secret.h"

#include "base/assert.h"

#include <sodium.h>

#include <algorithm>

namespace postern::accounts {
namespace {

constexpr std::string_view kPrefix = "postern_";
constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";  // Crockford's base 32
constexpr std::size_t kCharacters = 26;
constexpr std::size_t kSaltSize = 16;
constexpr std::size_t kDigestSize = 32;

}  // namespace

ServerSecret::ServerSecret(std::string octets) : key_(std::move(octets)) {
  POSTERN_ASSERT(key_.size() == kSize);
}

std::string ServerSecret::generate() {
  POSTERN_ASSERT(sodium_init() >= 0);
  std::string octets(kSize, '\0');
  randombytes_buf(octets.data(), octets.size());
  return octets;
}

std::string ServerSecret::keyed_hash(std::string_view purpose, std::string_view text,
                                     std::size_t size) const {
  std::string input(purpose);
  input += '\0';
  input += text;
  std::string out(size, '\0');
  crypto_generichash(reinterpret_cast<unsigned char*>(out.data()), out.size(),
                     reinterpret_cast<const unsigned char*>(input.data()), input.size(),
                     reinterpret_cast<const unsigned char*>(key_.data()), key_.size());
  sodium_memzero(input.data(), input.size());
  return out;
}

std::string ServerSecret::scram_salt(std::string_view name) const {
  return keyed_hash("scram", name, kSaltSize);
}

std::string ServerSecret::app_password_digest(std::string_view password) const {
  return keyed_hash("app password", password, kDigestSize);
}

std::string generate_app_password() {
  POSTERN_ASSERT(sodium_init() >= 0);
  std::string out(kPrefix);
  for (std::size_t i = 0; i < kCharacters; ++i)
    out += kAlphabet[randombytes_uniform(static_cast<std::uint32_t>(kAlphabet.size()))];
  return out;
}

bool looks_like_app_password(std::string_view password) {
  if (!password.starts_with(kPrefix) || password.size() != kPrefix.size() + kCharacters) return false;
  password.remove_prefix(kPrefix.size());
  return std::all_of(password.begin(), password.end(),
                     [](char c) { return kAlphabet.find(c) != std::string_view::npos; });
}

}  // namespace postern::accounts
