#pragma once

#include "base/result.h"
#include "delivery/access_tokens.h"
#include "delivery/extensions.h"
#include "delivery/options.h"
#include "net/tls.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace postern::delivery {

/// Ways to log in at a smarthost, strongest first.
enum class AuthMechanism : std::uint8_t { OauthBearer, Xoauth2, ScramSha256, Plain, Login };

/// How to talk to a next hop.
struct Manners {
  TlsPolicy tls = TlsPolicy::Opportunistic;
  std::shared_ptr<net::TlsClient>
      tls_client;  ///< set unless tls is None; verifies when tls is Required or Dane
  std::optional<net::TlsPeer> tls_peer = {};  ///< whom to expect; nothing: the host by its name
  std::string user;                           ///< AUTH with it over verified TLS; empty: no AUTH
  std::string password;
  std::shared_ptr<AccessTokens> tokens = nullptr;  ///< instead of the password
};

/// The manners that the configuration asks for: those of `smarthost` when there is one, else those towards MX
/// hosts, which are verified with the CAs of `mx_ca_file` (empty: the system's). The password is the first line of its file. Errors: NotFound (the password file), Malformed (an
/// empty one, or a CA file that is none), each naming the file.
[[nodiscard]] Result<Manners> make_manners(const Options& options, const std::optional<Smarthost>& smarthost,
                                           const std::string& mx_ca_file = {});

/// The mechanisms that both sides have, in the order to try them.
[[nodiscard]] std::vector<AuthMechanism> usable_mechanisms(const Manners& manners, const Extensions& offered);

}  // namespace postern::delivery
