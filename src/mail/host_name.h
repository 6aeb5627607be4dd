#pragma once

#include "base/result.h"

#include <string_view>

namespace postern::mail {

/// Labels of letters, digits and inner hyphens with dots between them (RFC 1123 §2.1, RFC 5321 §4.1.2 sub-domain), at
/// most 63 octets each and 253 in all. Error: Malformed, in words that follow a name ("it ...").
[[nodiscard]] Result<> check_labels(std::string_view text);

/// The same with two labels at least, and no IP address.
[[nodiscard]] Result<> check_host_name(std::string_view text);

}  // namespace postern::mail
