#include "delivery/tls_decision.h"

#include "delivery/next_hop.h"

namespace postern::delivery {

net::Task<Result<TlsDecision>> decide_tls_by_configuration(const NextHop& hop, const Target&) {
  const std::string reason = hop.relay != nullptr
                                 ? "smarthost." + hop.budget.substr(hop.budget.find(' ') + 1) + ".tls"
                             : hop.route == kDefaultRoute ? "delivery.tls"
                                                          : "route " + hop.route;
  co_return TlsDecision{hop.manners->tls, hop.manners->tls_client, reason};
}

}  // namespace postern::delivery
