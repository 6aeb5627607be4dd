#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace postern {

/// RFC 4648 §4 with padding, without line breaks.
[[nodiscard]] std::string base64_encode(std::string_view octets);

/// Strict inverse, as RFC 4954 §4 asks: the length is a multiple of four, padding stands only at the end,
/// nothing outside the alphabet, and unused bits are zero. Error: Malformed.
[[nodiscard]] Result<std::string> base64_decode(std::string_view text);

}  // namespace postern
