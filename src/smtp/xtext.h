#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace postern::smtp {

/// xtext of RFC 3461 §4: "+" and two upper-case hex digits stand for an octet; "+" and "=" never stand for
/// themselves. Error: Malformed.
[[nodiscard]] Result<std::string> xtext_decode(std::string_view text);
[[nodiscard]] std::string xtext_encode(std::string_view octets);

}  // namespace postern::smtp
