#pragma once

#include "metrics/registry.h"
#include "net/tls.h"
#include "queue/sqlite_queue.h"

#include <cstddef>
#include <functional>
#include <memory>

namespace postern::app {

/// "0.1.0": the version of this build.
[[nodiscard]] const char* version();

/// What came of the last reload. Threads: any.
class ReloadMetrics {
 public:
  explicit ReloadMetrics(metrics::Registry& registry) : registry_(registry) { successful_.set(1); }
  void reloaded(bool successful, std::size_t waiting_for_restart) {
    successful_.set(successful ? 1 : 0);
    if (successful) waiting_.set(static_cast<std::int64_t>(waiting_for_restart));
  }

 private:
  metrics::Registry& registry_;
  metrics::Gauge successful_{
      registry_, "postern_config_last_reload_successful",
      "1: the configuration was taken over. 0: it is wrong; the old one stays in use."};
  metrics::Gauge waiting_{registry_, "postern_config_restart_pending_options",
                          "Options that were changed and take effect at the next start."};
};

/// How much mail there is: what tells an operator that it does not get away.
/// Threads  any. `queue` must live as long as somebody reads.
class QueueMetrics {
 public:
  QueueMetrics(metrics::Registry& registry, queue::SqliteQueue& queue, const Clock& clock);

 private:
  metrics::Reading waiting_;
  metrics::Reading held_;
  metrics::Reading oldest_waiting_;
  metrics::Reading oldest_held_;
  metrics::Reading accounts_;
  metrics::Reading set_aside_;
};

/// The process as a whole: version, memory, CPU, descriptors, certificate, store.
/// Threads  any; what it is given must be callable from any thread and must not block.
class ProcessMetrics {
 public:
  /// `tls` may be nullptr.
  ProcessMetrics(metrics::Registry& registry, std::shared_ptr<net::TlsServer> tls,
                 std::function<bool()> store_works);

 private:
  metrics::Info build_;
  metrics::Reading started_;
  metrics::Reading cpu_;
  metrics::Reading memory_;
  metrics::Reading descriptors_;
  metrics::Reading most_descriptors_;
  metrics::Reading certificate_;
  metrics::Reading store_;
};

}  // namespace postern::app
