#pragma once

#include "delivery/outcome.h"
#include "delivery/retry.h"
#include "delivery/target.h"
#include "dns/resolver.h"
#include "net/endpoint.h"
#include "net/task.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace postern::delivery {

/// Who we are towards the world: the EHLO argument, the Reporting-MTA, and what must never be a next hop.
struct Identity {
  std::string hostname;
  std::vector<net::IpAddress> own_addresses;
};

/// The mail hosts of a domain, before their addresses are known; or why there are none.
struct HostList {
  std::vector<dns::MxHost> hosts;  ///< lowest preference first; an address literal is one host
  bool implicit = false;           ///< no MX record: the domain itself (RFC 5321 §5.1)
  bool loop = false;               ///< we were among them, and what is not better than us is left out
  bool secure = false;             ///< DNSSEC vouches for the MX records, or for there being none
  std::string canonical;           ///< what the domain is an alias of in the end, or the domain
  Outcome failure;                 ///< meaningful when hosts is empty

  /// The same for all domains with the same hosts in the same order of preference: "a.example=b.example>c.example".
  [[nodiscard]] std::string site() const;
};

/// Where to go for a domain, best first; or why there is nowhere to go.
struct Route {
  std::vector<Target> targets;
  Outcome failure;  ///< meaningful when targets is empty
};

/// How long to wait for a TCP connection to targets[i] at most; 0: as long as for any. Where a network drops one family
/// of addresses in silence, a host that has both is reached by the other one soon (in the spirit of RFC 8305).
[[nodiscard]] std::chrono::seconds connect_patience(const std::vector<Target>& targets, std::size_t i);

/// By RFC 5321 §5.1: the MX hosts, or the domain itself when it has no MX. Our own name ends the list. Permanent
/// failures: NXDOMAIN 5.1.2, null MX 5.1.10 (RFC 7505), only ourselves 5.4.6. DNS trouble: retry 4.4.3. `domain`
/// is a lower-case name or an address literal.
[[nodiscard]] net::Task<HostList> find_hosts(dns::Resolver& resolver, const Identity& self,
                                             std::string domain);

/// The addresses of `hosts`, which are not empty: equal preferences in random order, all addresses of each (A and
/// AAAA), at most kMaxTargets. An address of ours ends the list as its name would: 5.4.6 when nothing is left.
/// No address: 5.4.4, or 5.1.2 when the domain itself has none. DNS trouble: retry 4.4.3.
[[nodiscard]] net::Task<Route> find_targets(dns::Resolver& resolver, const Identity& self, HostList hosts,
                                            std::uint16_t port, Rng& rng);

/// find_hosts() and find_targets(). The next hops of a recipient domain by RFC 5321 §5.1: MX in order of preference with equal ones shuffled,
/// the domain itself when it has no MX, all addresses of each (A and AAAA), at most kMaxTargets. Our own name
/// or address ends the list: what is as bad or worse is dropped, and 5.4.6 when nothing is left. Permanent
/// failures: NXDOMAIN 5.1.2, null MX 5.1.10 (RFC 7505), no address 5.4.4. DNS trouble: retry 4.4.3. `domain`
/// is a lower-case A-label name or an address literal.
[[nodiscard]] net::Task<Route> find_route(dns::Resolver& resolver, const Identity& self, std::string domain,
                                          std::uint16_t port, Rng& rng);

/// The addresses of a relay from the configuration: no MX lookup. `host` may be an address.
[[nodiscard]] net::Task<Route> find_relay(dns::Resolver& resolver, std::string host, std::uint16_t port);

inline constexpr std::size_t kMaxTargets = 20;

}  // namespace postern::delivery
