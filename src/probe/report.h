#pragma once

#include "probe/check.h"
#include "probe/verdict.h"

#include <string>

namespace postern::probe {

/// "587  192.0.2.1  tls       TLSv1.3 TLS_AES_256_GCM_SHA384, mail.example.org until 2026-12-01, 41 ms"
[[nodiscard]] std::string step_line(const EndpointSeen& seen, Step step);
[[nodiscard]] std::string dns_line(const DnsSeen& seen);
/// The verdict in some lines: one for the result, then cause, what to do, and other findings.
[[nodiscard]] std::string verdict_text(const CheckSeen& seen, const Verdict& verdict);
/// One line only.
[[nodiscard]] std::string verdict_line(const Verdict& verdict);
/// Everything, in one line of JSON; docs/check.md describes it. `explanation` is what explain() says, or nothing.
[[nodiscard]] std::string to_json(const CheckSeen& seen, const Verdict& verdict,
                                  const std::string& explanation);

[[nodiscard]] const char* to_string(TcpOutcome outcome);
[[nodiscard]] const char* to_string(BannerOutcome outcome);
[[nodiscard]] const char* to_string(TlsOutcome outcome);
[[nodiscard]] const char* to_string(DnsOutcome outcome);
[[nodiscard]] const char* to_string(DnssecState state);
[[nodiscard]] const char* to_string(DaneState state);
[[nodiscard]] const char* to_string(MtaStsState state);
[[nodiscard]] const char* to_string(Severity severity);

}  // namespace postern::probe
