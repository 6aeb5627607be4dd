#include "accounts/password.h"

#include <crypt.h>
#include <sodium.h>

#include <array>
#include <memory>

namespace postern::accounts {
namespace {

constexpr std::string_view kArgon = "$argon2";

std::string without_scheme(const std::string& hash) {
  if (hash.empty() || hash.front() != '{') return hash;
  const std::size_t end = hash.find('}');
  return end == std::string::npos ? hash : hash.substr(end + 1);
}

bool crypt_matches(const std::string& password, const std::string& hash) {
  const auto data = std::make_unique<crypt_data>();
  const char* made = crypt_r(password.c_str(), hash.c_str(), data.get());
  if (made == nullptr || made[0] == '*') return false;
  const std::string_view got(made);
  return got.size() == hash.size() && sodium_memcmp(got.data(), hash.data(), hash.size()) == 0;
}

}  // namespace

Result<std::string> hash_password(std::string_view password) {
  if (sodium_init() < 0) return fail(Errc::Unavailable, "libsodium does not start");
  std::array<char, crypto_pwhash_STRBYTES> out{};
  if (crypto_pwhash_str(out.data(), password.data(), password.size(), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                        crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0) {
    return fail(Errc::Unavailable, "no memory to hash a password");
  }
  return std::string(out.data());
}

bool password_matches(std::string_view password, const std::string& hash) {
  const std::string bare = without_scheme(hash);
  if (bare.starts_with(kArgon))
    return crypto_pwhash_str_verify(bare.c_str(), password.data(), password.size()) == 0;
  if (password.find('\0') != std::string_view::npos) return false;
  return crypt_matches(std::string(password), bare);
}

const std::string& nobodys_hash() {
  static const std::string hash =
      "$argon2id$v=19$m=65536,t=2,p=1$iBnCVWX0ieO3sFB7W/pmWQ$mHcfY1LD4Y5UKOsTH+RGvI+iCLy0iHWQPhruXlWJCAo";
  return hash;
}

bool known_hash(const std::string& hash) {
  const std::string bare = without_scheme(hash);
  if (bare.starts_with(kArgon)) return true;
  return bare.size() >= 20 && bare.front() == '$' && crypt_checksalt(bare.c_str()) != CRYPT_SALT_INVALID;
}

}  // namespace postern::accounts
