#pragma once

#include "probe/observation.h"
#include "probe/wire.h"

#include <utility>

namespace postern::probe {

/// An address and port, and for link-local IPv6 addresses the index of the interface (RFC 4007; 0: none).
struct Remote {
  net::Endpoint endpoint;
  std::uint32_t zone = 0;
};

/// Connects and says how it went. The Wire is open only when the outcome is Open.
/// Blocks until `deadline` at most.
[[nodiscard]] std::pair<TcpSeen, Wire> connect(const Remote& remote, SteadyTime deadline);

/// True for loopback and for addresses that this machine's interfaces have.
[[nodiscard]] bool is_own_address(const net::IpAddress& ip);

}  // namespace postern::probe
