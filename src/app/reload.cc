#include "app/reload.h"

#include "app/hook_calls.h"
#include "app/server.h"
#include "app/service_manager.h"
#include "base/log.h"
#include "config/catalogue.h"
#include "config/changes.h"

#include <filesystem>
#include <fstream>
#include <functional>
#include <vector>

namespace postern::app {
namespace {

void write_running(const config::Config& running) {
  const std::string path = running_config_path(running);
  std::ofstream(path + ".new")
      << "# What the server runs with. Written by it; read by postern config check.\n"
      << config::effective_toml(running);
  std::error_code ignored;
  std::filesystem::rename(path + ".new", path, ignored);
}

}  // namespace

std::string running_config_path(const config::Config& config) { return config.data_dir + "/running.toml"; }

Reloader::Reloader(Parts& parts, std::string config_path)
    : parts_(parts), config_path_(std::move(config_path)), running_(parts.config) {
  write_running(running_);
}

/// First everything that can fail, then everything that cannot.
Result<> Reloader::take_over(config::Config fresh) {
  POSTERN_TRY(guard::LimitConfig limits, fresh.limit_config());
  POSTERN_TRY(delivery::Settings delivery, delivery_settings(fresh));  // reads passwords and CA files again
  std::shared_ptr<admin::Webhook> webhook;                             // its key is read again
  if (parts_.watch) {
    POSTERN_TRY(webhook, make_webhook(parts_, fresh.watch));
  }
  std::shared_ptr<scan::Scanner> scanner = *parts_.scanner.now();
  if (fresh.scan != running_.scan) {
    POSTERN_TRY(scanner, make_scanner(parts_, fresh.scan));
  }
  std::vector<std::function<void()>> certificates;
  for (net::TlsServer* server : {parts_.tls.get(), parts_.tls_with_client_certificates.get()}) {
    if (server == nullptr) continue;
    POSTERN_TRY(std::function<void()> use, server->prepare(certificate_files(fresh.tls)));
    certificates.push_back(std::move(use));
  }
  // Nothing below can fail.
  for (const std::function<void()>& use : certificates) use();
  parts_.submission_options.replace(fresh.submission);
  parts_.intake_options.replace(intake_options(fresh));
  parts_.limits->replace(std::move(limits));
  if (parts_.watch) parts_.watch->use(fresh.watch);
  parts_.watch_webhook.replace(std::move(webhook));
  parts_.scanner.replace(std::move(scanner));
  parts_.lockout->replace(fresh.lockout);
  parts_.dispatcher->adopt(std::move(delivery));
  parts_.history->keep(fresh.history.keep);
  log::set_level(fresh.log.level);
  running_ = std::move(fresh);
  return {};
}

void Reloader::reload_config() {
  notify_reloading();
  Result<config::Config> fresh = config::load(config_path_);
  Result<> taken;
  config::Changes changes;
  if (fresh) {
    changes = config::changes(running_, *fresh);
    taken = take_over(std::move(changes.config));
  } else {
    taken = fresh.error();
  }
  if (taken) {
    write_running(running_);
    log::Event(log::Level::Info, "server.reloaded").with("changed", config::shown(changes.live));
    if (!changes.restart.empty()) {
      log::Event(log::Level::Warning, "server.restart_needed")
          .with("options", config::shown(changes.restart));
    }
  } else {
    log::Event(log::Level::Error, "server.reload_refused")
        .with("why", taken.error().detail)
        .with("effect", "the old configuration stays in use");
  }
  parts_.reload_metrics.reloaded(taken.has_value(), changes.restart.size());
  notify_service_manager("READY=1");
}

void Reloader::check_certificate() {
  if (!parts_.tls) return;
  Result<bool> changed = parts_.tls->reload_if_changed();
  // The same files, asked for beside clients' certificates.
  if (changed && parts_.tls_with_client_certificates)
    changed = parts_.tls_with_client_certificates->reload_if_changed();
  if (!changed && changed.error().detail != certificate_trouble_) {
    certificate_trouble_ = changed.error().detail;
    log::Event(log::Level::Error, "tls.reload_failed").with("why", certificate_trouble_);
  } else if (changed && *changed) {
    certificate_trouble_.clear();
    log::Event(log::Level::Info, "tls.certificate_reloaded");
  }
}

}  // namespace postern::app
