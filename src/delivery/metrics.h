#pragma once

#include "metrics/registry.h"
#include "queue/queue.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace postern::delivery {

/// What delivery counts. Threads: safe from any thread.
class Metrics {
 public:
  explicit Metrics(metrics::Registry& registry) : registry_(registry) {}

  void recipient(queue::RecipientOutcome::Kind kind) {
    using Kind = queue::RecipientOutcome::Kind;
    if (kind == Kind::Delivered) delivered_.add();
    if (kind == Kind::Retry) deferred_.add();
    if (kind == Kind::Failed) failed_.add();
  }
  void transaction(std::chrono::nanoseconds duration) { transactions_.observe(duration); }
  void connection_opened() { connections_.add(); }
  void report_sent() { reports_.add(); }
  void active(std::size_t messages) { active_.set(static_cast<std::int64_t>(messages)); }

 private:
  metrics::Registry& registry_;
  metrics::Counter delivered_{registry_, "postern_delivery_delivered_total",
                              "Recipients whose mail the next hop took."};
  metrics::Counter deferred_{
      registry_, "postern_delivery_deferred_total",
      "Attempts that ended with 'later'. A rise over all destinations: our network, DNS or reputation."};
  metrics::Counter failed_{registry_, "postern_delivery_failed_total",
                           "Recipients given up: refused, or too old."};
  metrics::Counter connections_{registry_, "postern_delivery_connections_total",
                                "Sessions opened with next hops."};
  metrics::Counter reports_{registry_, "postern_delivery_reports_total",
                            "Failure reports queued for senders."};
  metrics::Gauge active_{registry_, "postern_delivery_active_messages", "Messages being delivered now."};
  metrics::Histogram transactions_{registry_, "postern_delivery_transaction_seconds",
                                   "MAIL to the reply after the dot.", metrics::kIoSeconds};
};

}  // namespace postern::delivery
