#pragma once

#include "probe/firewall.h"
#include "probe/listening.h"

#include <boost/json.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace postern::app::cli {

/// One port of `postern firewall status`.
struct PortStatus {
  std::uint16_t port = 0;
  std::vector<probe::Listening> sockets;
  std::vector<probe::PortAccess> access;  ///< one for each family that was asked for
  std::vector<std::string>
      in_the_way;  ///< in words; empty: a client gets through, as far as this host decides
};

/// Who listens, which rule decides. Error: Malformed (rules that cannot be read).
[[nodiscard]] Result<PortStatus> port_status(const probe::OpenRequest& request,
                                             const probe::FirewallFacts& facts);
[[nodiscard]] boost::json::object to_json(const PortStatus& status);
[[nodiscard]] std::string to_text(const PortStatus& status);

}  // namespace postern::app::cli
