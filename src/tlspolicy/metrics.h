#pragma once

#include "metrics/registry.h"

#include <cstdint>

namespace postern::tlspolicy {

/// What is counted of other domains' TLS policies. Threads: safe from any thread.
class Metrics {
 public:
  enum class Fetch : std::uint8_t { Ok, Failed };
  enum class Report : std::uint8_t { Sent, Failed, GivenUp };

  explicit Metrics(metrics::Registry& registry) : registry_(registry) {}

  void fetch(Fetch result) { fetches_.add(result); }
  void report(Report result) { reports_.add(result); }

 private:
  metrics::Registry& registry_;
  metrics::CounterBy<Fetch> fetches_{registry_,
                                     "postern_tls_policy_fetches_total",
                                     "result",
                                     {"ok", "failed"},
                                     "MTA-STS policies fetched over HTTPS. Failures of one domain are its "
                                     "own; of all: our way out on port 443."};
  metrics::CounterBy<Report> reports_{
      registry_,
      "postern_tls_reports_total",
      "result",
      {"sent", "failed", "given_up"},
      "Daily TLS reports to domains that ask for them (RFC 8460). failed: will be tried again."};
};

}  // namespace postern::tlspolicy
