#pragma once

#include "base/result.h"
#include "oauth/jwt.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct evp_pkey_st;

namespace postern::oauth {

/// An issuer's public keys, a JSON Web Key Set (RFC 7517): RSA (2048 bits and more), P-256 and Ed25519.
class KeySet {
 public:
  /// Keys of other kinds, for other uses, and broken ones are left out. Error: Malformed, when it is no key set.
  [[nodiscard]] static Result<KeySet> parse(std::string_view json);

  /// Whether a key of this set signed `jwt`. A key fits by its kind, by its own "alg" if it names one, and by its id
  /// if the token names one. Errors: NotFound: no key fits (fresh keys may). Denied: none signed it.
  [[nodiscard]] Result<> verify(const Jwt& jwt) const;
  [[nodiscard]] std::size_t size() const { return keys_.size(); }

 private:
  struct Key {
    Algorithm algorithm;
    std::string id;
    std::shared_ptr<evp_pkey_st> key;
  };
  std::vector<Key> keys_;
};

}  // namespace postern::oauth
