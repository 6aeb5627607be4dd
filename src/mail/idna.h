#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace postern::mail {

/// `domain` in lower case with every U-label as its A-label (RFC 5891 §4; non-transitional UTS #46 mapping):
/// "MÜNCHEN.example" gives "xn--mnchen-3ya.example". A name that is ASCII already is only lower-cased: it may
/// hold labels that IDNA does not know, such as "_25._tcp". Malformed: not UTF-8, a label that IDNA forbids,
/// one that is too long, or
/// code points that cannot be seen.
[[nodiscard]] Result<std::string> to_ascii(std::string_view domain);

/// `text` in Unicode's normal form C (RFC 6532 §3.1), so that "é" is one thing however it was typed. Letters that only look
/// alike stay different. What is not UTF-8 stays as it is.
[[nodiscard]] std::string to_nfc(std::string_view text);

}  // namespace postern::mail
