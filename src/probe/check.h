#pragma once

#include "probe/endpoint_check.h"
#include "probe/names.h"
#include "probe/observation.h"

#include <chrono>
#include <string>
#include <vector>

namespace postern::probe {

struct Target {
  std::string host;  ///< name or address; empty with from_domain
  std::vector<std::uint16_t> ports;
  std::vector<net::IpAddress> addresses;  ///< use these instead of looking `host` up
  std::string from_domain;                ///< find hosts and ports by SRV and MX
};

/// The ports of a check without port: submission first, then what people confuse it with.
inline constexpr std::uint16_t kUsualPorts[] = {587, 465, 25, 2525};

struct Watcher {
  virtual ~Watcher() = default;
  /// One call at a time, from any thread.
  virtual void dns_done(const DnsSeen& seen) = 0;
  virtual void step_done(const EndpointSeen& seen, Step step) = 0;
};

/// The whole check: every address and port at the same time (at most 32 threads), all over by `timeout`.
[[nodiscard]] CheckSeen run_check(const Target& target, const CheckOptions& options, const NameOptions& names,
                                  const Handshaker& tls, std::chrono::milliseconds timeout, Watcher& watcher);

}  // namespace postern::probe
