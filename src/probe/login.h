#pragma once

#include "probe/observation.h"
#include "probe/wire.h"

#include <string>
#include <vector>

namespace postern::probe {

/// What a login proves itself with.
struct Credentials {
  std::string user;
  std::string secret;     ///< the password, or an access token
  bool is_token = false;  ///< OAuth 2.0
};

/// Where the login happens: OAUTHBEARER says it too (RFC 7628 §3.1).
struct LoginPlace {
  std::string host;
  std::uint16_t port = 0;
};

/// A login with the best of what is offered. With a password: SCRAM-SHA-256 (RFC 7677), PLAIN (RFC 4616) or LOGIN (which has
/// only a draft); with a token: OAUTHBEARER (RFC 7628) or XOAUTH2. Whether the secret may go out is the caller's decision.
[[nodiscard]] LoginSeen login(Wire& wire, const std::vector<std::string>& mechanisms,
                              const Credentials& credentials, const LoginPlace& place, SteadyTime deadline);

/// The initial responses of the token mechanisms, not yet in base64. Pure.
[[nodiscard]] std::string oauthbearer_response(const Credentials& credentials, const LoginPlace& place);
[[nodiscard]] std::string xoauth2_response(const Credentials& credentials);

}  // namespace postern::probe
