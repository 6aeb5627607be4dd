#pragma once

#include "intake/refusal.h"
#include "mail/header.h"

#include <cstddef>
#include <optional>

namespace postern::intake {

/// There is one From, and what may stand at most once, does (RFC 5322 §3.6).
[[nodiscard]] std::optional<Refusal> check_field_counts(const mail::Header& header);
/// What may stand in a header at all: no NUL, and octets above 127 only as UTF-8, and only with SMTPUTF8 or where
/// `eight_bit` is tolerated without (RFC 6532 §3).
struct HeaderOctets {
  bool smtputf8 = false;
  bool eight_bit = false;
};
[[nodiscard]] std::optional<Refusal> check_octets(const mail::Header& header, HeaderOctets allowed);
/// The addresses of From, Sender, Reply-To, To, Cc and Bcc are legal (RFC 6409 §5.1), and their domains fully
/// qualified (§4.2). An empty To, Cc, Bcc or Reply-To is tolerated.
[[nodiscard]] std::optional<Refusal> check_addresses(const mail::Header& header);
/// At most `most` Received fields (RFC 5321 §6.3).
[[nodiscard]] std::optional<Refusal> check_hops(const mail::Header& header, std::size_t most);

}  // namespace postern::intake
