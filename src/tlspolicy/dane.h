#pragma once

#include "dns/resolver.h"
#include "net/task.h"
#include "net/tls.h"

#include <cstdint>
#include <string>
#include <vector>

namespace postern::tlspolicy {

/// What DANE says about one host and port (RFC 7672).
struct Dane {
  enum class State {
    NotApplicable,  ///< no secure TLSA record: TLS as without DANE
    Unusable,  ///< secure records, none of a kind that mail can use: TLS is compulsory, with any certificate (§2.2)
    Usable,  ///< TLS is compulsory, with a certificate that `peer` names
    Failed,  ///< nobody could tell us, or what they told did not validate: the host is not to be used (§2.1.2)
  };
  State state = State::NotApplicable;
  net::TlsPeer peer;  ///< Usable, Unusable: the TLSA base domain and all its records
  std::string why;    ///< Failed: what went wrong
};

/// The TLSA records of `host` (A-labels) at `port`. The base domain is what the host is an alias of in the end, if
/// DNSSEC vouches for the way there, and else the host itself (§2.2.2, §2.2.3). Hosts with unsigned addresses are
/// not asked for TLSA records: their name servers may not know the type.
[[nodiscard]] net::Task<Dane> look_up_dane(dns::Resolver& resolver, std::string host, std::uint16_t port);

/// "3 1 1 0123abcd...": the presentation form (RFC 6698 §2.2).
[[nodiscard]] std::string to_text(const net::TlsaRecord& record);

}  // namespace postern::tlspolicy
