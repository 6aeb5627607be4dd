#pragma once

#include "probe/observation.h"

#include <optional>
#include <string>
#include <vector>

namespace postern::probe {

enum class Family { Any, V4, V6 };

struct NameOptions {
  std::vector<std::string> resolvers;  ///< ask these instead of what the system would
  Family family = Family::Any;
  std::string trust_anchor;  ///< file with the keys that DNSSEC begins with; empty: those of the root
};

/// The addresses of `name`, as a program on this machine gets them (hosts file and all), or from
/// `options.resolvers`. An address literal needs no DNS. IPv4 first. Blocks until `deadline` at most.
[[nodiscard]] DnsSeen resolve(const std::string& name, const NameOptions& options, SteadyTime deadline);

/// What DNSSEC says about `name`; Bogus is told apart from a resolver that drops signatures.
/// `error` is filled for Bogus.
[[nodiscard]] DnssecState dnssec_state(const std::string& name, const NameOptions& options,
                                       SteadyTime deadline, std::string& error);

/// The TLSA records of _port._tcp.host, or of what the host is an alias of, matched against what the handshake
/// showed (RFC 7672 §2.2.3, §3.1): the leaf alone with DANE-EE, name and dates as well with DANE-TA.
[[nodiscard]] DaneState check_dane(const std::string& host, std::uint16_t port, const TlsSeen& tls,
                                   const NameOptions& options, SteadyTime deadline);

/// The mail hosts of a domain: SRV for submission (RFC 6186, RFC 8314) and MX.
[[nodiscard]] DomainSeen find_hosts(const std::string& domain, const NameOptions& options,
                                    SteadyTime deadline);

/// SRV rdata (RFC 2782), lowest priority first, heaviest first; "." means: not offered.
struct SrvTarget {
  int priority = 0;
  int weight = 0;
  std::uint16_t port = 0;
  std::string host;
};
[[nodiscard]] std::vector<SrvTarget> srv_from_rdata(const std::vector<std::string>& records);

}  // namespace postern::probe
