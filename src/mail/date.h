#pragma once

#include "base/clock.h"

#include <string>
#include <string_view>

namespace postern::mail {

/// "Tue, 24 Nov 2026 12:00:00 +0000" (RFC 5322 §3.3), always in UTC.
[[nodiscard]] std::string format_date(TimePoint when);

/// Whether `value` is a date-time of RFC 5322 §3.3, the obsolete zones and two-digit years of §4.3 included;
/// comments may stand between its parts. The day of the week is not compared with the date.
[[nodiscard]] bool valid_date(std::string_view value);

}  // namespace postern::mail
