#include "sasl/scram_keys.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stringprep.h>

#include <algorithm>
#include <cstdlib>

namespace postern::sasl {
namespace {

bool hmac(const ScramKeys::Digest& key, std::string_view text, ScramKeys::Digest& out) {
  return HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
              reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(),
              nullptr) != nullptr;
}

}  // namespace

Result<ScramKeys> derive_scram_keys(std::string_view password, std::string_view salt,
                                    std::uint32_t iterations) {
  POSTERN_TRY(const std::string prepared, saslprep(password));
  ScramKeys::Digest salted{};
  ScramKeys::Digest client_key{};
  ScramKeys keys;
  const bool done = PKCS5_PBKDF2_HMAC(prepared.data(), static_cast<int>(prepared.size()),
                                      reinterpret_cast<const unsigned char*>(salt.data()),
                                      static_cast<int>(salt.size()), static_cast<int>(iterations),
                                      EVP_sha256(), static_cast<int>(salted.size()), salted.data()) == 1 &&
                    hmac(salted, "Client Key", client_key) && hmac(salted, "Server Key", keys.server_key);
  SHA256(client_key.data(), client_key.size(), keys.stored_key.data());
  OPENSSL_cleanse(salted.data(), salted.size());
  OPENSSL_cleanse(client_key.data(), client_key.size());
  if (!done) return fail(Errc::Internal, "SCRAM keys cannot be derived");
  return keys;
}

Result<std::string> saslprep(std::string_view text) {
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (ascii && !text.empty()) return std::string(text);
  if (text.find('\0') != std::string_view::npos) return fail(Errc::Malformed, "it holds a NUL");
  char* prepared = nullptr;
  const int code = stringprep_profile(std::string(text).c_str(), &prepared, "SASLprep",
                                      static_cast<Stringprep_profile_flags>(0));
  if (code != STRINGPREP_OK)
    return fail(Errc::Malformed, std::string("SASLprep (RFC 4013) refuses it: ") +
                                     stringprep_strerror(static_cast<Stringprep_rc>(code)));
  std::string out(prepared);
  std::free(prepared);  // NOLINT(cppcoreguidelines-no-malloc): libidn's own
  if (out.empty()) return fail(Errc::Malformed, "nothing is left of it in SASLprep (RFC 4013)");
  return out;
}

}  // namespace postern::sasl
