#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::oauth {

/// How tokens may be signed. Nothing else exists here: no "none", no shared secrets (RFC 8725 §3.1).
enum class Algorithm { RS256, ES256, EdDSA };
[[nodiscard]] std::optional<Algorithm> parse_algorithm(std::string_view name);

/// What is said about a token's owner, by the token itself (RFC 7519 §4) or by its issuer (RFC 7662 §2.2).
struct Claims {
  std::string issuer;
  std::vector<std::string> audiences;
  std::vector<std::string> scopes;
  std::optional<TimePoint> expires;
  std::optional<TimePoint> not_before;
  std::map<std::string, std::string> texts;  ///< every claim that is a string
  bool email_unverified = false;             ///< "email_verified": false
};
/// `json` is an object. Error: Malformed.
[[nodiscard]] Result<Claims> parse_claims(std::string_view json);

/// A signed token, taken apart but not believed yet.
struct Jwt {
  Algorithm algorithm = Algorithm::RS256;
  std::string key_id;  ///< may be empty
  Claims claims;
  std::string signed_part;  ///< header "." payload
  std::string signature;    ///< octets
};
/// JWS compact serialization (RFC 7515 §7.1). Errors: Malformed; Denied: an algorithm or a critical extension that is
/// not supported.
[[nodiscard]] Result<Jwt> parse_jwt(std::string_view token);
/// Whether it looks like one: three parts of base64url.
[[nodiscard]] bool is_jwt_shaped(std::string_view token);

/// RFC 4648 §5 without padding. Error: Malformed.
[[nodiscard]] Result<std::string> base64url_decode(std::string_view text);
[[nodiscard]] std::string base64url_encode(std::string_view octets);

/// What claims must satisfy.
struct Rules {
  std::string issuer;                  ///< exact; empty: any
  std::vector<std::string> audiences;  ///< one of these; empty: any
  std::string scope;                   ///< must be among the scopes; empty: any
};
/// Error: Denied, with the reason for the log. An expiry is required; clocks may differ by a minute (RFC 7519 §4.1.4).
[[nodiscard]] Result<> check_claims(const Claims& claims, const Rules& rules, TimePoint now);

}  // namespace postern::oauth
