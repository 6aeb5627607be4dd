#pragma once

#include "guard/limit.h"
#include "metrics/registry.h"

namespace postern::guard {

/// What the limits count. Threads: safe from any thread.
class LimitMetrics {
 public:
  explicit LimitMetrics(metrics::Registry& registry) : registry_(registry) {}
  void reached(LimitAction action) { reached_.add(action); }
  void warned() { warned_.add(); }
  void not_saved() { not_saved_.add(); }
  void in_memory(std::size_t keys) { keys_.set(static_cast<std::int64_t>(keys)); }

 private:
  metrics::Registry& registry_;
  metrics::CounterBy<LimitAction> reached_{registry_,
                                           "postern_limits_reached_total",
                                           "action",
                                           {"defer", "delay", "reject"},
                                           "Messages and recipients that met a sending limit. A rise: one "
                                           "sender; the log's refusals name it and the limit."};
  metrics::Counter warned_{registry_, "postern_limits_warned_total",
                           "Accounts told by mail that they had used 80 % of a limit."};
  metrics::Counter not_saved_{registry_, "postern_limits_save_failures_total",
                              "Times that use could not be written; limits go on from memory."};
  metrics::Gauge keys_{registry_, "postern_limits_in_memory",
                       "Accounts, clients and domains whose use is in memory."};
};

}  // namespace postern::guard
