#pragma once

#include "probe/handshake.h"
#include "probe/names.h"
#include "probe/observation.h"

#include <string>
#include <string_view>

namespace postern::probe {

/// Looks for the record and, where there is one, fetches and reads the policy over verified HTTPS; fills the
/// mta_sts fields of `seen`.
void look_at_mta_sts(DomainSeen& seen, const NameOptions& names, const Handshaker& tls, SteadyTime deadline);

/// The body of an HTTP answer with status 200 and at most 64 KiB (RFC 8461 §3.2).
/// Errors: Malformed, NotFound (another status).
[[nodiscard]] Result<std::string> http_body(std::string_view answer);

}  // namespace postern::probe
