#pragma once

#include "admin/control_server.h"
#include "admin/http.h"
#include "admin/webhook.h"
#include "app/process_metrics.h"
#include "base/live.h"
#include "config/config.h"
#include "delivery/dispatcher.h"
#include "dns/resolver_lookup.h"
#include "store/file_lock.h"
#include "submission/server.h"
#include "tlspolicy/mta_sts.h"
#include "tlspolicy/reporter.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace postern::app {

/// One core's share: a loop, its resolver, its listeners and connections.
struct Worker {
  net::Loop loop;
  std::unique_ptr<dns::UnboundResolver> resolver;
  std::unique_ptr<submission::Server> submission;
  std::vector<std::unique_ptr<net::Listener>> admin;
  std::thread thread;
};

/// The ports that are open; port 0 in the configuration is found here.
struct Ports {
  std::vector<std::uint16_t> submission;
  std::vector<std::uint16_t> submissions;
  std::vector<std::uint16_t> admin;
};

enum class HookResult : std::uint8_t { Told, Failed, GivenUp };

struct WatchMetrics {
  WatchMetrics(metrics::Registry& registry, const guard::WatchBook& book);
  metrics::Counter holds;
  metrics::Counter warnings;
  metrics::CounterBy<HookResult> webhook;
  metrics::Reading held;
  metrics::Reading in_memory;
};

/// Everything that runs, declared in the order in which it is built; destruction is the reverse.
///
/// A new module gets a member here, behind all that it uses, and one line in the list build() of server.cc.
/// What it takes while it runs is configured by its own Options; what a reload changes is in reload.cc; what it
/// has to finish before the end is in stop.cc.
/// Threads  built and destroyed on the main thread, while no loop runs.
struct Parts {
  explicit Parts(const config::Config& c) : config(c) {}

  const config::Config& config;  ///< as it was at the start; what a reload changes is in the Live members
  SystemClock clock;
  metrics::Registry registry;
  ReloadMetrics reload_metrics{registry};
  // Before the stores: their threads may still post to the loops while they end.
  std::vector<std::unique_ptr<Worker>> workers;

  net::SystemAddressLookup lookup;

  // State and judgement.
  std::optional<store::FileLock> lock;
  std::unique_ptr<accounts::Directory> directory;
  std::optional<guard::LimitMetrics> limit_metrics;
  std::unique_ptr<guard::Limits> limits;
  std::unique_ptr<guard::Lockout> lockout;
  std::unique_ptr<queue::History> history;
  std::unique_ptr<guard::WatchBook> watch;  ///< nullptr: [watch] is off
  std::optional<WatchMetrics> watch_metrics;
  Live<std::shared_ptr<admin::Webhook>> watch_webhook{nullptr};  ///< holds nullptr: nobody is called

  // Taking mail.
  Live<intake::Options> intake_options{config.intake};
  Live<submission::Options> submission_options{config.submission};
  std::shared_ptr<net::TlsServer> tls;  ///< nullptr: no certificate is configured
  std::shared_ptr<net::TlsServer>
      tls_with_client_certificates;  ///< for listen.client_certificates; may be nullptr
  net::SystemAddressLookup scanner_lookup;
  scan::Metrics scan_metrics{registry};
  Live<std::shared_ptr<scan::Scanner>> scanner{nullptr};  ///< holds nullptr: none is configured
  std::optional<intake::Services> intake;
  submission::Metrics submission_metrics{registry};
  submission::LogBudget log_budget{clock};
  std::unique_ptr<oauth::TokenVerifier> tokens;  ///< nullptr: no OAuth
  std::optional<submission::Logins> logins;
  std::optional<submission::Services> submission;
  submission::ConnectionCount connections{submission_options};

  // Sending it on.
  dns::ResolverLookup policy_lookup;
  std::unique_ptr<net::HttpClient> policy_http;
  tlspolicy::Metrics tls_metrics{registry};
  std::unique_ptr<tlspolicy::MtaSts> mta_sts;           ///< nullptr: the configuration wants none
  std::unique_ptr<tlspolicy::SessionLog> tls_sessions;  ///< the same
  std::unique_ptr<tlspolicy::Reporter> tls_reporter;    ///< the same
  std::optional<delivery::Signer> signer;
  std::optional<delivery::Metrics> delivery_metrics;

  // Answering operators.
  admin::HttpAnswers answers;
  std::optional<ProcessMetrics> process_metrics;
  std::unique_ptr<admin::ControlServer> control;
  Ports ports;

  // Last: they end first, while all that they call is still there.
  std::unique_ptr<queue::SqliteQueue> queue;
  std::optional<QueueMetrics> queue_metrics;
  std::unique_ptr<delivery::Dispatcher> dispatcher;
};

/// Who signs our own reports: the host's own domain or the first parent that we have a key for; "" when there is none.
[[nodiscard]] std::string report_domain(const Parts& parts);

}  // namespace postern::app
