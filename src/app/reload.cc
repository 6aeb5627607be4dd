#include "app/reload.h"

#include "app/service_manager.h"
#include "base/log.h"

namespace postern::app {

void Reloader::reload_config() {
  notify_service_manager("RELOADING=1");
  const Result<config::Config> fresh = config::load(config_path_);
  if (!fresh) {
    log::Event(log::Level::Error, "server.reload_refused").with("why", fresh.error().detail);
  } else {
    log::Event(log::Level::Info, "server.reloaded")
        .with("note", "options take effect at the next start; certificates now");
  }
  notify_service_manager("READY=1");
}

void Reloader::check_certificate() {
  if (!parts_.tls) return;
  const Result<bool> changed = parts_.tls->reload_if_changed();
  if (!changed && changed.error().detail != certificate_trouble_) {
    certificate_trouble_ = changed.error().detail;
    log::Event(log::Level::Error, "tls.reload_failed").with("why", certificate_trouble_);
  } else if (changed && *changed) {
    certificate_trouble_.clear();
    log::Event(log::Level::Info, "tls.certificate_reloaded");
  }
}

}  // namespace postern::app
