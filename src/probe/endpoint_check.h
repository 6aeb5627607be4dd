#pragma once

#include "probe/handshake.h"
#include "probe/login.h"
#include "probe/observation.h"

#include <functional>
#include <string>

namespace postern::probe {

/// The steps of a check, in their order.
enum class Step { Dns, Tcp, Banner, Ehlo, StartTls, Tls, EhloTls, Auth, Relay, Login, Message };
[[nodiscard]] const char* to_string(Step step);

/// What to do beside looking.
struct CheckOptions {
  std::string ehlo_name;  ///< empty: our address as a literal (RFC 5321 §4.1.3)
  Credentials login;      ///< no user: no login
  std::string send_from;  ///< empty: the user
  std::string send_to;    ///< empty: no test message
  /// The password or token may go out although TLS was not verified (--insecure twice).
  bool secret_without_verified_tls = false;
  bool try_relay = true;
  std::uint32_t zone = 0;  ///< interface index for link-local addresses
};

/// How a port is meant to be used.
struct PortMode {
  bool known = false;
  bool implicit_tls = false;
};
[[nodiscard]] PortMode mode_of(std::uint16_t port);
/// 25 is between servers: no login is expected there.
[[nodiscard]] bool is_relay_port(std::uint16_t port);

/// Called after each step with what is known so far; from the thread of the check.
using OnStep = std::function<void(const EndpointSeen&, Step)>;

/// Why a password or token must not be sent over what was seen; empty: it may.
[[nodiscard]] std::string why_no_secret(const EndpointSeen& seen);

/// All steps against one address and port. Blocks until `deadline` at most (and two seconds to say goodbye).
[[nodiscard]] EndpointSeen check_endpoint(const std::string& host, const net::Endpoint& endpoint,
                                          const CheckOptions& options, const Handshaker& tls,
                                          SteadyTime deadline, const OnStep& on_step);

}  // namespace postern::probe
