#pragma once

#include "intake/refusal.h"
#include "mail/header.h"

#include <cstddef>
#include <optional>

namespace postern::intake {

/// There is one From, and what may stand at most once, does (RFC 5322 §3.6).
[[nodiscard]] std::optional<Refusal> check_field_counts(const mail::Header& header);
/// At most `most` Received fields (RFC 5321 §6.3).
[[nodiscard]] std::optional<Refusal> check_hops(const mail::Header& header, std::size_t most);

}  // namespace postern::intake
