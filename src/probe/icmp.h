#pragma once

#include "probe/observation.h"

#include <string>

namespace postern::probe {

/// An ICMP error as the socket's error queue reports it (ip(7), IP_RECVERR).
struct IcmpError {
  bool v6 = false;
  int type = 0;
  int code = 0;
};

/// The name that nft and iptables give to it: "admin-prohibited", "port-unreachable", ...
[[nodiscard]] std::string icmp_name(const IcmpError& icmp);

/// What a failed connect means. `error` is errno; `icmp` what the error queue held, if anything: only it can
/// tell a reset from ICMP port unreachable, which are both ECONNREFUSED (RFC 1122 §4.2.3.9).
[[nodiscard]] TcpOutcome classify_connect_error(int error, const std::optional<IcmpError>& icmp);

}  // namespace postern::probe
