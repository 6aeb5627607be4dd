#pragma once

#include "base/result.h"

#include <memory>
#include <string>
#include <string_view>

namespace postern::dkim {

/// An RSA private key that signs for a domain (rsa-sha256, RFC 6376 §3.3, RFC 8301 §3).
/// Threads  const use is safe from any thread.
class SigningKey {
 public:
  /// Error: Malformed: not a PEM private key, not RSA, or shorter than 1024 bits (RFC 8301 §3.2).
  [[nodiscard]] static Result<SigningKey> from_pem(std::string_view pem);
  /// A new key of `bits` bits (2048 is the default of this project). Error: Internal.
  [[nodiscard]] static Result<SigningKey> generate(unsigned bits);
  ~SigningKey();
  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;

  [[nodiscard]] std::string pem() const;
  /// "v=DKIM1; k=rsa; p=...": the TXT record at selector._domainkey.domain (RFC 6376 §3.6.1).
  [[nodiscard]] std::string dns_record() const;
  [[nodiscard]] unsigned bits() const;
  /// PKCS#1 v1.5 signature over SHA-256 of `data`. Error: Internal.
  [[nodiscard]] Result<std::string> sign(std::string_view data) const;
  /// Whether `signature` is this key's over `data`.
  [[nodiscard]] bool verifies(std::string_view data, std::string_view signature) const;

 private:
  struct Keys;
  explicit SigningKey(std::unique_ptr<Keys> keys);
  std::unique_ptr<Keys> keys_;
};

}  // namespace postern::dkim
