#pragma once

#include "oauth/jwt.h"

#include <memory>
#include <string>
#include <string_view>

struct evp_pkey_st;

namespace postern::oauth::testing {

/// Somebody who signs tokens, with a key of its own.
class Issuer {
 public:
  Issuer(Algorithm algorithm, std::string key_id);
  [[nodiscard]] std::string sign(std::string_view claims) const;
  /// As its jwks_uri would answer.
  [[nodiscard]] std::string key_set() const;

 private:
  const Algorithm algorithm_;
  const std::string key_id_;
  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace postern::oauth::testing
