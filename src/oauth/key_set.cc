#include "oauth/key_set.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <optional>

namespace postern::oauth {
namespace {

namespace json = boost::json;

constexpr int kLeastRsaBits = 2048;      // RFC 7518 §3.3
constexpr std::size_t kCoordinate = 32;  // octets of P-256
constexpr std::size_t kMaxKeys = 100;

template <class T, void (*Free)(T*)>
struct Deleter {
  void operator()(T* object) const { Free(object); }
};
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Deleter<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Deleter<OSSL_PARAM, OSSL_PARAM_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX, EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX, EVP_MD_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Deleter<BIGNUM, BN_free>>;
using PublicKey = std::shared_ptr<EVP_PKEY>;

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Number number(std::string_view text) {
  return Number(BN_bin2bn(octets(text), static_cast<int>(text.size()), nullptr));
}

PublicKey from_params(const char* type, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    return nullptr;
  return {key, EVP_PKEY_free};
}

PublicKey rsa_key(const std::string& modulus, const std::string& exponent) {
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  const Number n = number(modulus);
  const Number e = number(exponent);
  if (OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1)
    return nullptr;
  PublicKey key = from_params("RSA", builder.get());
  return key && EVP_PKEY_get_bits(key.get()) >= kLeastRsaBits ? key : nullptr;
}

PublicKey p256_key(const std::string& x, const std::string& y) {
  if (x.size() != kCoordinate || y.size() != kCoordinate) return nullptr;
  const std::string point = '\x04' + x + y;  // uncompressed
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  if (OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) !=
          1)
    return nullptr;
  return from_params("EC", builder.get());
}

PublicKey ed25519_key(const std::string& x) {
  return {EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets(x), x.size()),
          [](EVP_PKEY* key) { EVP_PKEY_free(key); }};
}

std::string text_of(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string{};
}

std::string octets_of(const json::object& object, const char* key) {
  const Result<std::string> decoded = base64url_decode(text_of(object, key));
  return decoded ? *decoded : std::string{};
}

struct Made {
  Algorithm algorithm;
  PublicKey key;
};

std::optional<Made> make_key(const json::object& jwk) {
  const std::string type = text_of(jwk, "kty");
  const std::string curve = text_of(jwk, "crv");
  if (type == "RSA") return Made{Algorithm::RS256, rsa_key(octets_of(jwk, "n"), octets_of(jwk, "e"))};
  if (type == "EC" && curve == "P-256")
    return Made{Algorithm::ES256, p256_key(octets_of(jwk, "x"), octets_of(jwk, "y"))};
  if (type == "OKP" && curve == "Ed25519") return Made{Algorithm::EdDSA, ed25519_key(octets_of(jwk, "x"))};
  return std::nullopt;
}

/// r and s side by side (RFC 7518 §3.4) as OpenSSL wants them, in DER. Empty: not such a signature.
std::string ecdsa_der(std::string_view signature) {
  if (signature.size() != 2 * kCoordinate) return {};
  const std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG, ECDSA_SIG_free>> parts(ECDSA_SIG_new());
  Number r = number(signature.substr(0, kCoordinate));
  Number s = number(signature.substr(kCoordinate));
  if (!parts || ECDSA_SIG_set0(parts.get(), r.get(), s.get()) != 1) return {};
  [[maybe_unused]] const BIGNUM* const r_taken = r.release();
  [[maybe_unused]] const BIGNUM* const s_taken = s.release();
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(parts.get(), &der);
  if (size <= 0) return {};
  std::string out(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return out;
}

bool signed_by(EVP_PKEY* key, const Jwt& jwt) {
  const std::string signature = jwt.algorithm == Algorithm::ES256 ? ecdsa_der(jwt.signature) : jwt.signature;
  const DigestContext context(EVP_MD_CTX_new());
  const EVP_MD* digest = jwt.algorithm == Algorithm::EdDSA ? nullptr : EVP_sha256();
  const bool right = !signature.empty() &&
                     EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
                     EVP_DigestVerify(context.get(), octets(signature), signature.size(),
                                      octets(jwt.signed_part), jwt.signed_part.size()) == 1;
  ERR_clear_error();
  return right;
}

}  // namespace

Result<KeySet> KeySet::parse(std::string_view text) {
  json::parse_options options;
  options.max_depth = 8;
  boost::system::error_code error;
  const json::value value = json::parse({text.data(), text.size()}, error, {}, options);
  const json::value* list = !error && value.is_object() ? value.as_object().if_contains("keys") : nullptr;
  if (list == nullptr || !list->is_array()) return fail(Errc::Malformed, "not a JSON Web Key Set");
  KeySet set;
  for (const json::value& one : list->as_array()) {
    if (!one.is_object() || set.keys_.size() >= kMaxKeys) continue;
    const json::object& jwk = one.as_object();
    if (const std::string use = text_of(jwk, "use"); !use.empty() && use != "sig") continue;
    std::optional<Made> made = make_key(jwk);
    if (!made || !made->key) continue;
    if (const std::string alg = text_of(jwk, "alg"); !alg.empty() && parse_algorithm(alg) != made->algorithm)
      continue;
    set.keys_.push_back({made->algorithm, text_of(jwk, "kid"), std::move(made->key)});
  }
  ERR_clear_error();
  return set;
}

Result<> KeySet::verify(const Jwt& jwt) const {
  bool tried = false;
  for (const Key& one : keys_) {
    if (one.algorithm != jwt.algorithm || (!jwt.key_id.empty() && one.id != jwt.key_id)) continue;
    tried = true;
    if (signed_by(one.key.get(), jwt)) return {};
  }
  if (!tried) return fail(Errc::NotFound, "no key of the issuer fits the token");
  return fail(Errc::Denied, "the token's signature is wrong");
}

}  // namespace postern::oauth
