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
  const std::string prepared = saslprep(password);
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

std::string saslprep(std::string_view text) {
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (ascii || text.find('\0') != std::string_view::npos) return std::string(text);
  char* prepared = nullptr;
  if (stringprep_profile(std::string(text).c_str(), &prepared, "SASLprep", STRINGPREP_NO_UNASSIGNED) !=
      STRINGPREP_OK)
    return std::string(text);
  std::string out(prepared);
  std::free(prepared);  // NOLINT(cppcoreguidelines-no-malloc): libidn's own
  return out;
}

}  // namespace postern::sasl
