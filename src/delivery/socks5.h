#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "delivery/route_table.h"
#include "net/endpoint.h"
#include "net/loop.h"
#include "net/stream.h"
#include "net/task.h"

namespace postern::delivery {

/// A connection to `remote` through `proxy` (RFC 1928), with user and password when it has them (RFC 1929). The proxy
/// gets the address and not the name: which host is meant was decided by our DNS.
/// Errors: Timeout; Unavailable: the proxy, or what it says of `remote`; Malformed: it does not speak SOCKS5.
[[nodiscard]] net::Task<Result<net::Stream>> connect_by_socks5(net::Loop& loop, Socks5Proxy proxy,
                                                               net::Endpoint remote, SteadyTime deadline);

}  // namespace postern::delivery
