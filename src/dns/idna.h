#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace postern::dns {

/// `domain` in lower case with every U-label as its A-label (RFC 5891 §4; non-transitional UTS #46 mapping):
/// "MÜNCHEN.example" gives "xn--mnchen-3ya.example". A name that is ASCII already is only lower-cased: it may
/// hold labels that IDNA does not know, such as "_25._tcp". Malformed: not UTF-8, a label that IDNA forbids,
/// or one that is too long.
[[nodiscard]] Result<std::string> to_ascii(std::string_view domain);

}  // namespace postern::dns
