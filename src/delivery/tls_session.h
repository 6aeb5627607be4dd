#pragma once

#include "base/result.h"
#include "delivery/client.h"
#include "delivery/next_hop.h"
#include "delivery/target.h"
#include "delivery/tls_decision.h"
#include "tlspolicy/session.h"

#include <optional>
#include <string>
#include <vector>

namespace postern::delivery {

/// How an attempt to open a session went, for the report to the domain (RFC 8460 §4.3); nothing when it did not get
/// as far as TLS. One session may have more than one result. Their time is left to the caller.
[[nodiscard]] std::vector<tlspolicy::SessionResult> sessions_of(const NextHop& hop, const Target& target,
                                                                const TlsDecision& decision,
                                                                const Client::Opened& opened);

/// The same for a host that the decision excludes.
[[nodiscard]] tlspolicy::SessionResult unusable_host(const NextHop& hop, const Target& target,
                                                     const Error& why);

/// "TLSv1.3 TLS_AES_128_GCM_SHA256 verified by dane-ee (dane)"; `reason`: who asked for it.
[[nodiscard]] std::string describe_security(const Client& client, const std::string& reason);
/// The same of a session that ended before it could carry mail; empty: it had no TLS.
[[nodiscard]] std::string describe_security(const std::optional<net::TlsInfo>& tls,
                                            const std::string& reason);

}  // namespace postern::delivery
