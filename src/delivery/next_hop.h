#pragma once

#include "base/clock.h"
#include "delivery/map.h"
#include "delivery/route.h"
#include "delivery/tls_decision.h"
#include "dns/resolver.h"
#include "net/task.h"

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

namespace postern::delivery {

/// Where the mail for one destination goes, and what TLS there has to be like. Mail with the same `site` can share a connection, mail with the same
/// `budget` shares a pace.
struct NextHop {
  std::string site;
  std::string budget;
  std::string route;             ///< the name of the rule that chose it
  HostList hosts;                ///< of a domain; without hosts it says why there are none
  const Relay* relay = nullptr;  ///< set: this smarthost instead
  const Manners* manners = nullptr;
  const Courtesy* courtesy = nullptr;
  Egress egress;
  std::uint16_t port = 25;
  DestinationTls tls;
  bool route_decides_tls = false;  ///< the route has a `tls` of its own
  TlsWish wish = TlsWish::OfDomain;

  [[nodiscard]] bool exists() const { return relay != nullptr || !hosts.hosts.empty(); }
};

/// Finds next hops, and remembers those of domains for kFresh, so that a burst costs one look-up.
///
/// Threads  one loop's thread.
/// Limits   kMax domains are remembered.
class NextHops {
 public:
  static constexpr std::chrono::seconds kFresh{60};
  static constexpr std::size_t kMax = 50'000;

  NextHops(const Map& map, dns::Resolver& resolver, const Clock& clock, TlsPolicies& tls)
      : map_(map), resolver_(resolver), clock_(clock), tls_(tls) {}

  /// That of mail for `domain` by `choice`, if it is known without asking; else nullptr.
  [[nodiscard]] std::shared_ptr<const NextHop> known(const RouteChoice& choice, const std::string& domain,
                                                     TlsWish wish = TlsWish::OfDomain);
  /// The same, asking DNS. Check exists().
  [[nodiscard]] net::Task<std::shared_ptr<const NextHop>> find(const RouteChoice& choice, std::string domain,
                                                               TlsWish wish = TlsWish::OfDomain);
  void forget() { found_.clear(); }

 private:
  struct Found {
    std::shared_ptr<const NextHop> hop;
    SteadyTime until;
  };
  [[nodiscard]] std::shared_ptr<const NextHop> to_relay(const RouteChoice& choice, TlsWish wish) const;

  const Map& map_;
  dns::Resolver& resolver_;
  const Clock& clock_;
  TlsPolicies& tls_;
  std::unordered_map<std::string, Found> found_;
};

}  // namespace postern::delivery
