#include "dkim/key.h"

#include "base/base64.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

namespace postern::dkim {
namespace {

constexpr int kLeastBits = 1024;

struct ContextDelete {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, ContextDelete>;

EVP_MD* sha256() {
  static EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return kSha256;
}

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

struct SigningKey::Keys {
  EVP_PKEY* key = nullptr;
  /// Set up once; each signature starts from a copy, which is cheaper than setting up anew.
  Context signing{EVP_MD_CTX_new()};
  explicit Keys(EVP_PKEY* k) : key(k) { EVP_DigestSignInit(signing.get(), nullptr, sha256(), nullptr, key); }
  ~Keys() { EVP_PKEY_free(key); }
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;
};

SigningKey::SigningKey(std::unique_ptr<Keys> keys) : keys_(std::move(keys)) {}
SigningKey::~SigningKey() = default;
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;

Result<SigningKey> SigningKey::from_pem(std::string_view pem) {
  BIO* const in = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  // No passphrase: an empty one, so that OpenSSL never asks the terminal.
  EVP_PKEY* const key = PEM_read_bio_PrivateKey(in, nullptr, nullptr, const_cast<char*>(""));
  BIO_free(in);
  if (key == nullptr) return fail(Errc::Malformed, "not a PEM private key");
  SigningKey made(std::make_unique<Keys>(key));
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) return fail(Errc::Malformed, "not an RSA key");
  if (EVP_PKEY_get_bits(key) < kLeastBits)
    return fail(Errc::Malformed, "an RSA key for DKIM needs at least 1024 bits (RFC 8301)");
  return made;
}

Result<SigningKey> SigningKey::generate(unsigned bits) {
  EVP_PKEY* const key = EVP_RSA_gen(bits);
  if (key == nullptr) return fail(Errc::Internal, "cannot generate an RSA key");
  return SigningKey(std::make_unique<Keys>(key));
}

std::string SigningKey::pem() const {
  BIO* const out = BIO_new(BIO_s_mem());
  PEM_write_bio_PKCS8PrivateKey(out, keys_->key, nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  const long length = BIO_get_mem_data(out, &data);
  std::string text(data, static_cast<std::size_t>(length));
  BIO_free(out);
  return text;
}

std::string SigningKey::dns_record() const {
  unsigned char* der = nullptr;
  const int length = i2d_PUBKEY(keys_->key, &der);
  const std::string encoded =
      base64_encode({reinterpret_cast<const char*>(der), static_cast<std::size_t>(length)});
  OPENSSL_free(der);
  return "v=DKIM1; k=rsa; p=" + encoded;
}

unsigned SigningKey::bits() const { return static_cast<unsigned>(EVP_PKEY_get_bits(keys_->key)); }

Result<std::string> SigningKey::sign(std::string_view data) const {
  const Context context(EVP_MD_CTX_new());
  std::size_t length = static_cast<std::size_t>(EVP_PKEY_get_size(keys_->key));
  std::string signature(length, '\0');
  const bool signed_ok =
      EVP_MD_CTX_copy_ex(context.get(), keys_->signing.get()) == 1 &&
      EVP_DigestSignUpdate(context.get(), data.data(), data.size()) == 1 &&
      EVP_DigestSignFinal(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &length) == 1;
  if (!signed_ok) return fail(Errc::Internal, "RSA signing failed");
  signature.resize(length);
  return signature;
}

bool SigningKey::verifies(std::string_view data, std::string_view signature) const {
  const Context context(EVP_MD_CTX_new());
  return EVP_DigestVerifyInit(context.get(), nullptr, sha256(), nullptr, keys_->key) == 1 &&
         EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(data), data.size()) == 1;
}

}  // namespace postern::dkim
