#pragma once

#include "probe/connect.h"
#include "probe/handshake.h"

#include <string>
#include <vector>

namespace postern::probe {

/// How to come to a handshake with a server.
struct TlsWay {
  Remote remote;
  std::string host;
  bool implicit_tls = false;
  std::string ehlo_name;  ///< for STARTTLS
};

/// The versions below TLS 1.2 that a server still takes (RFC 8996 forbids them), newest first, each found by a connection
/// that offers nothing newer. Empty when there are none, or when it could not be found out before `deadline`.
[[nodiscard]] std::vector<std::string> old_tls_versions(const TlsWay& way, const Handshaker& tls,
                                                        SteadyTime deadline);

}  // namespace postern::probe
