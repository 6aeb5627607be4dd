#include "oauth/testing/issuer.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <array>

namespace postern::oauth::testing {
namespace {

std::string number(EVP_PKEY* key, const char* name, int width) {
  BIGNUM* value = nullptr;
  EVP_PKEY_get_bn_param(key, name, &value);
  std::string out(static_cast<std::size_t>(width == 0 ? BN_num_bytes(value) : width), '\0');
  BN_bn2binpad(value, reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(out.size()));
  BN_free(value);
  return base64url_encode(out);
}

const char* name_of(Algorithm algorithm) {
  return algorithm == Algorithm::RS256 ? "RS256" : algorithm == Algorithm::ES256 ? "ES256" : "EdDSA";
}

/// DER to r and s side by side.
std::string jose_form(const std::string& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  ECDSA_SIG* parts = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
  std::string out(64, '\0');
  auto* octets = reinterpret_cast<unsigned char*>(out.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(parts), octets, 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(parts), octets + 32, 32);
  ECDSA_SIG_free(parts);
  return out;
}

}  // namespace

Issuer::Issuer(Algorithm algorithm, std::string key_id) : algorithm_(algorithm), key_id_(std::move(key_id)) {
  EVP_PKEY* key = algorithm == Algorithm::RS256   ? EVP_RSA_gen(2048)
                  : algorithm == Algorithm::ES256 ? EVP_EC_gen("P-256")
                                                  : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  key_ = {key, EVP_PKEY_free};
}

std::string Issuer::sign(std::string_view claims) const {
  const std::string header =
      std::string(R"({"alg":")") + name_of(algorithm_) + R"(","typ":"JWT","kid":")" + key_id_ + "\"}";
  const std::string text = base64url_encode(header) + '.' + base64url_encode(claims);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_DigestSignInit(context, nullptr, algorithm_ == Algorithm::EdDSA ? nullptr : EVP_sha256(), nullptr,
                     key_.get());
  std::string signature(512, '\0');
  std::size_t size = signature.size();
  EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                 reinterpret_cast<const unsigned char*>(text.data()), text.size());
  EVP_MD_CTX_free(context);
  signature.resize(size);
  if (algorithm_ == Algorithm::ES256) signature = jose_form(signature);
  return text + '.' + base64url_encode(signature);
}

std::string Issuer::key_set() const {
  std::string key = R"("kid":")" + key_id_ + R"(","use":"sig",)";
  if (algorithm_ == Algorithm::RS256) {
    key += R"("kty":"RSA","n":")" + number(key_.get(), OSSL_PKEY_PARAM_RSA_N, 0) + R"(","e":")" +
           number(key_.get(), OSSL_PKEY_PARAM_RSA_E, 0) + '"';
  } else if (algorithm_ == Algorithm::ES256) {
    key += R"("kty":"EC","crv":"P-256","x":")" + number(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X, 32) +
           R"(","y":")" + number(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y, 32) + '"';
  } else {
    std::array<unsigned char, 32> raw{};
    std::size_t size = raw.size();
    EVP_PKEY_get_raw_public_key(key_.get(), raw.data(), &size);
    key += R"("kty":"OKP","crv":"Ed25519","x":")" +
           base64url_encode({reinterpret_cast<const char*>(raw.data()), size}) + '"';
  }
  return "{\"keys\":[{" + key + "}]}";
}

}  // namespace postern::oauth::testing
