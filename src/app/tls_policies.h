#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "config/config.h"
#include "dns/resolver_lookup.h"
#include "net/http_client.h"
#include "tlspolicy/mta_sts.h"

#include <memory>
#include <string>

namespace postern::app {

struct Parts;

/// How sessions with other hosts went, in the data directory.
[[nodiscard]] std::string tls_sessions_path(const config::Config& config);

/// What MTA-STS policies are fetched with. Error: NotFound (tls_policies.ca_file).
[[nodiscard]] Result<std::unique_ptr<net::HttpClient>> policy_client(const config::Config& config,
                                                                     net::AddressLookup& lookup);

/// Where a server keeps MTA-STS policies.
[[nodiscard]] std::string sts_cache_path(const config::Config& config);
/// MTA-STS with the policies that are in the file `cache`. nullptr: the configuration wants none. Errors: as
/// StsCache::open().
[[nodiscard]] Result<std::unique_ptr<tlspolicy::MtaSts>> open_mta_sts(const config::Config& config,
                                                                      const std::string& cache,
                                                                      net::HttpClient& http,
                                                                      const Clock& clock,
                                                                      tlspolicy::Metrics* metrics = nullptr);

/// Makes the parts that know other domains' TLS policies.
[[nodiscard]] Result<> build_tls_policies(Parts& parts);
/// Begins what has to be done about them now and then: fetch them anew, report to domains.
void start_tls_policies(Parts& parts);
/// Writes what was counted. When no loop runs any more.
void finish_tls_policies(Parts& parts);

}  // namespace postern::app
