#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "net/endpoint.h"
#include "net/task.h"

#include <optional>
#include <string>
#include <string_view>

namespace postern::net {

class Stream;

/// The header that a load balancer puts before a connection (PROXY protocol, versions 1 and 2, haproxy.org).
struct ProxyHeader {
  std::size_t size = 0;  ///< octets of the header
  std::optional<Endpoint>
      client;  ///< nothing: the proxy speaks for itself (LOCAL, UNKNOWN), or of no TCP connection
};

constexpr std::size_t kMaxProxyHeader =
    4096;  ///< of version 2, with all its TLVs; version 1 has at most 107 octets

/// The header at the start of `octets`; nullopt: more are needed to tell. Error: Malformed, also when there is none.
[[nodiscard]] Result<std::optional<ProxyHeader>> parse_proxy_header(std::string_view octets);

/// Reads exactly the header from a connection of which nothing has been read. Errors: Malformed, Timeout, Closed.
Task<Result<ProxyHeader>> read_proxy_header(Stream& stream, SteadyTime deadline);

}  // namespace postern::net
