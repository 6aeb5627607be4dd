#pragma once

#include "delivery/manners.h"
#include "delivery/provider.h"
#include "delivery/route.h"
#include "delivery/route_table.h"
#include "tlspolicy/options.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace postern::delivery {

/// A smarthost made ready: where it is, how to talk to it, what it puts up with.
struct Relay {
  Smarthost where;
  Manners manners;
  Courtesy courtesy;
};

/// Everything that decides where mail goes and how. Immutable while the server runs.
struct Map {
  Identity identity;
  std::uint16_t port = 25;  ///< of MX hosts
  RouteTable routes;
  Providers providers;
  Manners manners;                             ///< towards MX hosts
  std::map<TlsPolicy, Manners> other_manners;  ///< where a route or a destination says so
  bool dane = true;                            ///< TLSA records of MX hosts are asked for
  std::map<std::string, Relay> relays;
};

/// The tables of the configuration that say where mail goes.
struct Tables {
  const Options& delivery;
  const std::map<std::string, Smarthost>& smarthosts;
  const std::map<std::string, Provider>& providers;
  const std::vector<RouteRule>& routes;
  const tlspolicy::Options& tls_policies;
};

/// Errors: NotFound (a password or CA file, a smarthost nobody described), Malformed; each names its table.
[[nodiscard]] Result<Map> make_map(const Tables& tables, Identity identity);

}  // namespace postern::delivery
