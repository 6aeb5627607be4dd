#pragma once

#include "delivery/manners.h"
#include "delivery/target.h"
#include "net/task.h"

#include <functional>
#include <memory>
#include <string>

namespace postern::delivery {

struct NextHop;

/// What TLS with one host must achieve: decided before the connection is opened, because a connection that came
/// about otherwise must not carry mail.
struct TlsDecision {
  TlsPolicy policy = TlsPolicy::Opportunistic;
  std::shared_ptr<net::TlsClient> client;  ///< nullptr only with None
  std::string reason;                      ///< for the trace: "delivery.tls", "route partners"
};

/// Decides for one host of a next hop. An Error means that the host is not to be used now.
using DecideTls = std::function<net::Task<Result<TlsDecision>>(const NextHop&, const Target&)>;

/// By the configuration alone: the manners of the hop.
[[nodiscard]] net::Task<Result<TlsDecision>> decide_tls_by_configuration(const NextHop& hop,
                                                                         const Target& target);

}  // namespace postern::delivery
