#include "dkim/body_hash.h"

#include "base/assert.h"

#include <openssl/evp.h>

namespace postern::dkim {

struct BodyHash::Digest {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  Digest() {
    // Fetched once: looking an algorithm up by name costs more than hashing a small mail.
    static EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    POSTERN_ASSERT(EVP_DigestInit_ex2(context, kSha256, nullptr) == 1);
  }
  ~Digest() { EVP_MD_CTX_free(context); }
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;
};

BodyHash::BodyHash() : digest_(std::make_unique<Digest>()) {}
BodyHash::~BodyHash() = default;
BodyHash::BodyHash(BodyHash&&) noexcept = default;
BodyHash& BodyHash::operator=(BodyHash&&) noexcept = default;

void BodyHash::update(std::string_view body) {
  piece_.clear();
  canonical_.feed(body, piece_);
  EVP_DigestUpdate(digest_->context, piece_.data(), piece_.size());
}

std::string BodyHash::finish() {
  piece_.clear();
  canonical_.finish(piece_);
  EVP_DigestUpdate(digest_->context, piece_.data(), piece_.size());
  std::string hash(EVP_MAX_MD_SIZE, '\0');
  unsigned length = 0;
  EVP_DigestFinal_ex(digest_->context, reinterpret_cast<unsigned char*>(hash.data()), &length);
  hash.resize(length);
  return hash;
}

}  // namespace postern::dkim
