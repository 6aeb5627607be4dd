#pragma once

#include "base/clock.h"
#include "base/ids.h"
#include "intake/submission_facts.h"

#include <string>

namespace postern::intake {

/// The Received field for a submission (RFC 5321 §4.4; "with" of RFC 3848 and 6531 §4.3; "tls" of RFC 8314
/// §4.3), with CRLF. "for" only when there is one recipient: several would give blind copies away (RFC 5321
/// §7.2).
[[nodiscard]] std::string received_field(const SubmissionFacts& facts, QueueId id,
                                         const std::string& hostname, TimePoint now);

}  // namespace postern::intake
