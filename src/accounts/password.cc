#include "accounts/password.h"

#include "base/base64.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>

namespace postern::accounts {
namespace {

constexpr std::string_view kArgon = "$argon2";
constexpr std::size_t kShortestCrypt = 20;

/// "{SSHA}text" in its parts; the scheme in upper case, "" when there is none.
struct Schemed {
  std::string scheme;
  std::string text;
};

Schemed split_scheme(const std::string& hash) {
  const std::size_t end = hash.starts_with('{') ? hash.find('}') : std::string::npos;
  if (end == std::string::npos) return {{}, hash};
  Schemed out{hash.substr(1, end - 1), hash.substr(end + 1)};
  for (char& c : out.scheme) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

/// A plain digest over password and salt, as LDAP servers keep it (RFC 2307 §5.3).
struct DigestScheme {
  const char* scheme;
  const EVP_MD* (*digest)();
  bool salted;
};
constexpr std::array kDigests{
    DigestScheme{"SHA", EVP_sha1, false},      DigestScheme{"SSHA", EVP_sha1, true},
    DigestScheme{"SHA256", EVP_sha256, false}, DigestScheme{"SSHA256", EVP_sha256, true},
    DigestScheme{"SHA512", EVP_sha512, false}, DigestScheme{"SSHA512", EVP_sha512, true},
};

const DigestScheme* digest_scheme(const std::string& scheme) {
  const auto found = std::find_if(kDigests.begin(), kDigests.end(),
                                  [&scheme](const DigestScheme& known) { return scheme == known.scheme; });
  return found == kDigests.end() ? nullptr : &*found;
}

bool is_digest(const DigestScheme& scheme, const std::string& base64) {
  const Result<std::string> octets = base64_decode(base64);
  const auto size = static_cast<std::size_t>(EVP_MD_get_size(scheme.digest()));
  return octets && (scheme.salted ? octets->size() > size : octets->size() == size);
}

bool digest_matches(const DigestScheme& scheme, std::string_view password, const std::string& base64) {
  const Result<std::string> octets = base64_decode(base64);
  if (!octets || !is_digest(scheme, base64)) return false;
  const auto size = static_cast<std::size_t>(EVP_MD_get_size(scheme.digest()));
  const std::string input = std::string(password) + octets->substr(size);
  std::array<unsigned char, EVP_MAX_MD_SIZE> made{};
  if (EVP_Digest(input.data(), input.size(), made.data(), nullptr, scheme.digest(), nullptr) != 1)
    return false;
  return CRYPTO_memcmp(made.data(), octets->data(), size) == 0;
}

bool crypt_matches(const std::string& password, const std::string& hash) {
  const auto data = std::make_unique<crypt_data>();
  const char* made = crypt_r(password.c_str(), hash.c_str(), data.get());
  if (made == nullptr || made[0] == '*') return false;
  const std::string_view got(made);
  return got.size() == hash.size() && sodium_memcmp(got.data(), hash.data(), hash.size()) == 0;
}

bool is_argon(const std::string& text) {
  return text.starts_with(kArgon) &&
         crypto_pwhash_str_needs_rehash(text.c_str(), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                        crypto_pwhash_MEMLIMIT_INTERACTIVE) >= 0;
}

/// What stands behind the last "$" of crypt(5)'s forms, in characters.
struct CryptForm {
  std::string_view prefix;
  std::size_t digest;
};
constexpr std::array kCryptForms{CryptForm{"$1$", 22},  CryptForm{"$5$", 43},   CryptForm{"$6$", 86},
                                 CryptForm{"$y$", 43},  CryptForm{"$gy$", 43},  CryptForm{"$7$", 43},
                                 CryptForm{"$2a$", 53}, CryptForm{"$2b$", 53},  CryptForm{"$2y$", 53},
                                 CryptForm{"$2x$", 53}, CryptForm{"$sha1$", 28}};

/// crypt_checksalt() looks at the salt only.
bool is_cut_off(const std::string& text) {
  for (const CryptForm& form : kCryptForms) {
    if (text.starts_with(form.prefix)) return text.size() - text.rfind('$') - 1 != form.digest;
  }
  return false;
}

bool is_crypt(const std::string& text) {
  return text.size() >= kShortestCrypt && text.front() == '$' && !is_cut_off(text) &&
         crypt_checksalt(text.c_str()) != CRYPT_SALT_INVALID;
}

/// The number behind `name` in a hash's parameters; 0: there is none. Saturates.
std::uint64_t parameter(const std::string& text, std::string_view name) {
  const std::size_t at = text.find(name);
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + name.size(), nullptr, 10);
}

/// What a check costs is up to the hash, and a login waits for it on a thread that others need too.
bool costs_too_much(const std::string& text) {
  constexpr std::uint64_t kMostRounds = 1'000'000;               // under a second
  constexpr std::uint64_t kMostDoublings = 15;                   // bcrypt: two seconds
  constexpr std::uint64_t kMostArgon = std::uint64_t{4} << 20U;  // KiB times passes: some seconds
  if (text.starts_with(kArgon))
    return parameter(text, "m=") * std::max<std::uint64_t>(parameter(text, "t="), 1) > kMostArgon;
  if (text.starts_with("$2")) return text.size() > 4 && parameter(text, text.substr(0, 4)) > kMostDoublings;
  return parameter(text, "rounds=") > kMostRounds || parameter(text, "$sha1$") > kMostRounds;
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
  const Schemed parts = split_scheme(hash);
  if (const DigestScheme* digest = digest_scheme(parts.scheme))
    return digest_matches(*digest, password, parts.text);
  if (parts.text.starts_with(kArgon))
    return crypto_pwhash_str_verify(parts.text.c_str(), password.data(), password.size()) == 0;
  if (!parts.text.starts_with('$') || password.find('\0') != std::string_view::npos) return false;
  return crypt_matches(std::string(password), parts.text);
}

Result<ImportedHash> import_hash(const std::string& hash) {
  const Schemed parts = split_scheme(hash);
  if ((parts.scheme == "PLAIN" || parts.scheme == "CLEARTEXT") && !parts.text.empty())
    return ImportedHash{parts.text, true};
  const DigestScheme* digest = digest_scheme(parts.scheme);
  const bool known =
      digest != nullptr ? is_digest(*digest, parts.text) : is_argon(parts.text) || is_crypt(parts.text);
  if (known && costs_too_much(parts.text))
    return fail(
        Errc::Malformed,
        "the hash asks for more rounds than a login can wait for (at most 1000000 of SHA-crypt, cost 15 of "
        "bcrypt): set a new password instead");
  if (known) return ImportedHash{hash, false};
  if (parts.text.starts_with('$') && is_cut_off(parts.text))
    return fail(Errc::Malformed, "the password hash is cut off, or something is appended to it");
  return fail(Errc::Malformed,
              "not a password hash that can be checked; understood are Argon2, crypt(3) ($6$, $y$, $2b$ "
              "...), {SSHA}, "
              "{SSHA256}, {SSHA512} and {PLAIN}");
}

bool is_outdated(const std::string& hash) {
  return !hash.starts_with("$argon2id$") ||
         crypto_pwhash_str_needs_rehash(hash.c_str(), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                        crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0;
}

const std::string& nobodys_hash() {
  static const std::string hash =
      "$argon2id$v=19$m=65536,t=2,p=1$iBnCVWX0ieO3sFB7W/pmWQ$mHcfY1LD4Y5UKOsTH+RGvI+iCLy0iHWQPhruXlWJCAo";
  return hash;
}

}  // namespace postern::accounts
