#pragma once

#include "probe/observation.h"

#include <string>
#include <string_view>
#include <vector>

namespace postern::probe {

/// Which protocol speaks so: `octets` are the first that a peer sent, perhaps few. SMTP and FTP both begin
/// with "220 "; the difference shows when EHLO is refused.
[[nodiscard]] Protocol recognise(std::string_view octets);
[[nodiscard]] const char* to_string(Protocol protocol);

/// A banner that a firewall's SMTP inspection has overwritten: "220 ***********0*2*****".
[[nodiscard]] bool banner_is_masked(std::string_view text);

/// Fills keywords, mechanisms, greeting_name and masked from the texts of an EHLO reply's lines (RFC 5321
/// §4.1.1.1).
void read_ehlo(const std::vector<std::string>& lines, EhloSeen& out);

/// `octets` with what a terminal could misunderstand as "?", cut to `max`. For everything a peer sent.
[[nodiscard]] std::string printable(std::string_view octets, std::size_t max = 200);

}  // namespace postern::probe
