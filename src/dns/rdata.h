#pragma once

#include "base/result.h"
#include "dns/resolver.h"
#include "net/tls.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::dns {

/// An uncompressed domain name (RFC 1035 §3.1) as text: lower case, without the final dot, "" for the root.
/// Octets that a host name cannot have become "\DDD" (RFC 1035 §5.1), so that no label can pretend to be two.
/// Error: Malformed.
[[nodiscard]] Result<std::string> name_from_wire(std::string_view wire);

/// MX records (RFC 1035 §3.3.9) as an answer, sorted. Broken records are left out. The root as only host
/// means null MX (RFC 7505 §3), whatever its preference; beside other hosts it is ignored.
[[nodiscard]] MxAnswer mx_from_rdata(const std::vector<std::string>& records);

/// TLSA rdata (RFC 6698 §2.1). Nothing when it is too short.
[[nodiscard]] std::optional<net::TlsaRecord> tlsa_from_rdata(std::string_view rdata);

/// The strings of a TXT record put together (RFC 1035 §3.3.14). A string that claims to be longer than the record
/// ends with it.
[[nodiscard]] std::string text_from_rdata(std::string_view rdata);

}  // namespace postern::dns
