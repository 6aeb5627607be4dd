#pragma once

#include "base/result.h"
#include "dns/resolver.h"

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

}  // namespace postern::dns
