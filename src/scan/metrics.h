#pragma once

#include "metrics/registry.h"

#include <chrono>
#include <cstdint>

namespace postern::scan {

enum class Asked : std::uint8_t { Accepted, Rejected, Deferred, FailedOpen, FailedClosed };

/// What scanners said. Threads: safe from any thread.
class Metrics {
 public:
  explicit Metrics(metrics::Registry& registry) : registry_(registry) {}
  void asked(Asked what, std::chrono::nanoseconds time) {
    asked_.add(what);
    time_.observe(time);
  }

 private:
  metrics::Registry& registry_;
  metrics::CounterBy<Asked> asked_{registry_,
                                   "postern_scan_asked_total",
                                   "verdict",
                                   {"accepted", "rejected", "deferred", "failed_open", "failed_closed"},
                                   "Questions to content scanners. failed_open: let through unseen; "
                                   "failed_closed: clients got 451. A rise of "
                                   "either: the scanner is down or too slow."};
  metrics::Histogram time_{registry_, "postern_scan_seconds", "One message with one scanner.",
                           metrics::kIoSeconds};
};

}  // namespace postern::scan
