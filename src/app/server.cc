#include "app/server.h"

#include "app/listeners.h"
#include "app/logins.h"
#include "app/parts.h"
#include "app/reload.h"
#include "app/service_manager.h"
#include "app/signals.h"
#include "app/stop.h"
#include "app/tls_policies.h"
#include "app/watching.h"
#include "base/log.h"

#include <algorithm>
#include <filesystem>

namespace postern::app {
namespace {

constexpr std::chrono::milliseconds kCertificateCheck{5000};

Result<> lock_data_directory(Parts& parts) {
  const std::string& path = parts.config.data_dir;
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return fail(Errc::Unavailable, path + ": " + error.message());
  POSTERN_TRY(store::FileLock lock, store::FileLock::take(path + "/lock"));
  parts.lock.emplace(std::move(lock));
  return {};
}

/// Of the files that the service cannot do without.
template <class T>
Result<T> needed(Result<T> opened) {
  if (opened || opened.error().code != Errc::Corrupt) return opened;
  return fail(Errc::Corrupt,
              opened.error().detail +
                  "; the service cannot do without it: keep a copy, try sqlite3 FILE .recover, "
                  "else restore the backup (docs/operations.md)");
}

Result<> open_stores(Parts& parts) {
  const std::string& path = parts.config.data_dir;
  POSTERN_TRY(parts.directory,
              needed(accounts::Directory::open(path + "/directory.db", parts.config.accounts, parts.clock)));
  POSTERN_TRY(parts.history, queue::History::open(path + "/history.db"));
  parts.history->keep(parts.config.history.keep);
  queue::Options queue_options = parts.config.queue;
  queue_options.active_capacity = parts.config.delivery.max_active;
  POSTERN_TRY(parts.queue, needed(queue::SqliteQueue::open(path + "/queue.db", queue_options, parts.clock)));
  return {};
}

Result<> build_guard(Parts& parts) {
  POSTERN_TRY(guard::LimitConfig limits, parts.config.limit_config());
  parts.limit_metrics.emplace(parts.registry);
  POSTERN_TRY(parts.limits, guard::Limits::open(parts.config.data_dir + "/limits.db", std::move(limits),
                                                parts.clock, &*parts.limit_metrics));
  POSTERN_TRY(parts.lockout,
              guard::Lockout::open(parts.config.data_dir + "/places.db", parts.config.lockout, parts.clock));
  return {};
}

Result<> load_certificates(Parts& parts) {
  const config::Tls& tls = parts.config.tls;
  if (tls.certificate.empty()) {
    log::Event(log::Level::Warning, "tls.not_configured").with("effect", "no login and no mail is possible");
    return {};
  }
  POSTERN_TRY(parts.tls, net::TlsServer::load(certificate_files(tls)));
  if (parts.config.listen.client_certificates.empty()) return {};
  if (tls.client_ca.empty())
    return fail(Errc::Malformed, "listen.client_certificates needs tls.client_ca: whose certificates count");
  POSTERN_TRY(parts.tls_with_client_certificates,
              net::TlsServer::load(certificate_files(tls), tls.client_ca));
  return {};
}

Result<> build_submission(Parts& parts) {
  const config::Config& config = parts.config;
  parts.intake_options.replace(intake_options(config));
  POSTERN_TRY(std::shared_ptr<scan::Scanner> scanner, make_scanner(parts, config.scan));
  parts.scanner.replace(std::move(scanner));
  parts.intake.emplace(intake::Services{config.hostname, parts.intake_options, parts.clock, *parts.directory,
                                        *parts.limits, *parts.queue, *parts.history, parts.watch.get(),
                                        [&parts] { return report_domain(parts); }, &parts.scanner});
  std::vector<net::Network> proxies;
  for (const std::string& text : config.submission.proxy_networks) {
    POSTERN_TRY(net::Network network, net::Network::parse(text));
    proxies.push_back(std::move(network));
  }
  parts.submission.emplace(submission::Services{
      parts.submission_options, config.hostname, parts.clock, *parts.directory, *parts.logins, *parts.limits,
      *parts.queue, *parts.intake, parts.submission_metrics, parts.log_budget, std::move(proxies)});
  return {};
}

/// One worker per core.
Result<> build_workers(Parts& parts) {
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  for (unsigned i = 0; i < cores; ++i) {
    auto worker = std::make_unique<Worker>();
    POSTERN_TRY(worker->resolver, dns::UnboundResolver::create(worker->loop, parts.config.dns));
    worker->submission =
        std::make_unique<submission::Server>(worker->loop, *parts.submission, parts.connections);
    parts.workers.push_back(std::move(worker));
  }
  return {};
}

Result<> build_delivery(Parts& parts) {
  parts.signer.emplace([&parts](std::string_view domain) -> std::optional<delivery::DomainKeyText> {
    const std::optional<accounts::Domain> found = parts.directory->domain(domain);
    if (!found) return std::nullopt;
    return delivery::DomainKeyText{found->selector, found->key_pem};
  });
  parts.delivery_metrics.emplace(parts.registry);
  POSTERN_TRY(delivery::Settings settings, delivery_settings(parts.config));
  std::vector<delivery::Dispatcher::Place> places;
  for (auto& worker : parts.workers) places.push_back({worker->loop, *worker->resolver});
  const auto enqueue_report = [&parts](net::Loop& loop, std::string recipient, std::string content,
                                       smtp::MailParams params) {
    return intake::enqueue_generated(loop, *parts.intake, std::move(recipient), report_domain(parts),
                                     std::move(content), std::move(params));
  };
  const auto answered = [&parts](const queue::Lease& lease, std::span<const delivery::FinalAnswer> answers) {
    if (parts.watch) note_answers(*parts.watch, lease, answers);
  };
  const auto urgency = [&parts](AccountId id) {
    const std::optional<accounts::Account> account = parts.directory->find(id);
    const bool bulk = account && account->kind == accounts::AccountClass::Bulk;
    return bulk ? delivery::Urgency::Bulk : delivery::Urgency::Prompt;
  };
  parts.dispatcher = std::make_unique<delivery::Dispatcher>(
      std::move(settings),
      delivery::Services{*parts.queue, *parts.history, *parts.signer, parts.clock, *parts.delivery_metrics,
                         enqueue_report, answered, urgency, parts.mta_sts.get(), parts.tls_sessions.get()},
      places);
  return {};
}

std::string not_ready_because(const Parts& parts) {
  if (const std::string why = parts.queue->unavailable_because(); !why.empty())
    return "the queue cannot be written: " + why;
  if (!parts.tls) return "no certificate is configured";
  if (parts.tls->expires_at() <= parts.clock.now()) return "the certificate has expired";
  return {};
}

void build_answers(Parts& parts) {
  parts.process_metrics.emplace(parts.registry, parts.tls,
                                [&parts] { return parts.queue->unavailable_because().empty(); });
  parts.queue_metrics.emplace(parts.registry, *parts.queue, parts.clock);
  parts.answers = {[&parts] { return parts.registry.exposition(); },
                   [&parts] { return not_ready_because(parts); }};
}

/// The list: everything, from what is used to what uses it. Members are in parts.h.
Result<> build(Parts& parts) {
  POSTERN_CHECK(lock_data_directory(parts));
  POSTERN_CHECK(open_stores(parts));
  POSTERN_CHECK(build_guard(parts));
  POSTERN_CHECK(build_watch(parts));
  POSTERN_CHECK(build_logins(parts));
  POSTERN_CHECK(load_certificates(parts));
  POSTERN_CHECK(build_submission(parts));
  POSTERN_CHECK(build_workers(parts));
  POSTERN_CHECK(build_tls_policies(parts));
  POSTERN_CHECK(build_delivery(parts));
  build_answers(parts);
  return open_listeners(parts);
}

void run(Parts& parts, Signals& signals, Reloader& reloader) {
  parts.dispatcher->start();
  start_tls_policies(parts);
  start_watch(parts);
  for (auto& worker : parts.workers) worker->thread = std::thread([&loop = worker->loop] { loop.run(); });
  write_listening(parts);
  notify_service_manager("READY=1");
  log::Event(log::Level::Info, "server.ready").with("hostname", parts.config.hostname);
  for (;;) {
    const Request request = signals.wait(kCertificateCheck);
    if (request == Request::Stop) return;
    if (request == Request::Reload) reloader.reload_config();
    reloader.check_certificate();
  }
}

}  // namespace

Result<std::shared_ptr<scan::Scanner>> make_scanner(Parts& parts, const scan::Options& options) {
  if (options.milters.empty() && options.rspamd.empty()) return std::shared_ptr<scan::Scanner>();
  POSTERN_TRY(
      std::shared_ptr<scan::Scanner> scanner,
      scan::Scanner::create(options, parts.config.data_dir, parts.scan_metrics, parts.scanner_lookup));
  return scanner;
}

std::vector<net::CertificateFiles> certificate_files(const config::Tls& tls) {
  const auto option = [](const std::string& at, const char* name) {
    return at.empty() ? std::string(name) : at + ": " + name;
  };
  std::vector<net::CertificateFiles> files{{tls.certificate, tls.key,
                                            option(tls.certificate_at, "tls.certificate"),
                                            option(tls.key_at, "tls.key")}};
  for (const config::CertificatePair& more : tls.more)
    files.push_back({more.certificate, more.key, option(more.at, "[[tls.more]] certificate"),
                     option(more.at, "[[tls.more]] key")});
  return files;
}

intake::Options intake_options(const config::Config& config) {
  intake::Options options = config.intake;
  options.signing =
      config.delivery.sign == delivery::Signing::Domain ? intake::Signing::Ours : intake::Signing::NextHop;
  return options;
}

Result<delivery::Settings> delivery_settings(const config::Config& config) {
  delivery::Settings settings;
  settings.options = config.delivery;
  settings.sandbox_directory = config.data_dir + "/sandbox";
  POSTERN_TRY(settings.map, config.map());
  return settings;
}

std::string report_domain(const Parts& parts) {
  for (std::string name = parts.config.hostname; name.find('.') != std::string::npos;
       name.erase(0, name.find('.') + 1)) {
    if (parts.directory->domain(name)) return name;
  }
  return {};
}

std::string control_path(const config::Config& config) { return config.data_dir + "/admin.sock"; }

Result<> serve(const config::Config& config, const std::string& config_path) {
  Signals signals;
  raise_descriptor_limit();
  if (config.log.to == config::Log::Destination::Journald) log::set_sink(log::make_journald_sink());
  log::set_level(config.log.level);
  Parts parts(config);
  POSTERN_CHECK(build(parts));
  Reloader reloader(parts, config_path);
  run(parts, signals, reloader);
  stop(parts, signals);
  return {};
}

}  // namespace postern::app
