#pragma once

#include "net/endpoint.h"

#include <string>
#include <string_view>
#include <vector>

namespace postern::probe {

/// One listening TCP socket of this machine (or network namespace).
struct Listening {
  net::IpAddress ip;
  std::uint16_t port = 0;
  bool v6_socket = false;
  std::uint64_t inode = 0;
  std::string program;                    ///< "postern (pid 123)"; empty when it may not be seen
  [[nodiscard]] bool everywhere() const;  ///< 0.0.0.0 or ::
};

/// /proc/net/tcp or tcp6 (proc(5)); only sockets that listen.
[[nodiscard]] std::vector<Listening> read_proc_net_tcp(std::string_view text, bool v6);
/// What listens on `port` here, with the programs' names where /proc lets us see them.
[[nodiscard]] std::vector<Listening> listening_on(std::uint16_t port);

}  // namespace postern::probe
