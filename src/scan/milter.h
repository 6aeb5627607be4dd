#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "net/endpoint.h"
#include "net/loop.h"
#include "net/task.h"

#include "scan/message.h"
#include "scan/verdict.h"
#include <optional>
#include <string>
#include <string_view>

namespace postern::scan {

/// Where a filter listens.
struct MilterAddress {
  std::string text;       ///< as configured, for logs
  std::string unix_path;  ///< empty: `tcp`
  net::Endpoint tcp;
  /// "unix:/path" or "192.0.2.1:8891", "[::1]:8891". Error: Malformed.
  [[nodiscard]] static Result<MilterAddress> parse(std::string_view text);
};

/// One message through one filter, on a connection of its own, before `deadline`. `message` and `address` are borrowed
/// until the task ends.
/// Errors: NotFound, Denied, Unavailable: no connection, or the filter wants what it may not do; Timeout, Closed,
/// Malformed, Exhausted: as it behaved.
net::Task<Result<Verdict>> ask_milter(net::Loop& loop, const MilterAddress& address, const Message& message,
                                      SteadyTime deadline);

}  // namespace postern::scan
