#pragma once

#include "base/result.h"
#include "mail/header.h"

#include "scan/verdict.h"
#include <string>
#include <string_view>
#include <vector>

namespace postern::scan {

/// `text` as one line of printable US-ASCII, at most `max` octets: what a scanner says is shown to clients and logs.
[[nodiscard]] std::string one_printable_line(std::string_view text, std::size_t max = 200);

/// Makes the changes, in their order; line ends and octets that a header may not hold are mended. Returns the names of
/// fields whose change was refused: those that sender rights, threading and privacy rest on (From, Sender, Date,
/// Message-ID, Bcc), names that are none, and lines of more than 998 octets (RFC 5322 §2.1.1).
/// Error: Malformed, when the result is no header; `header` is as before then.
[[nodiscard]] Result<std::vector<std::string>> apply_edits(mail::Header& header,
                                                           const std::vector<Edit>& edits);

}  // namespace postern::scan
