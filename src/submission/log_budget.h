#pragma once

#include "base/clock.h"
#include "net/endpoint.h"

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

namespace postern::submission {

/// How much one network may make us log (RFC 6409 §5.2): so many lines a minute, then a single one that says how many
/// were left out.
///
/// Threads  safe from any thread.
/// Limits   kMaxNetworks; when full, all start afresh.
class LogBudget {
 public:
  static constexpr std::uint32_t kLinesPerMinute = 120;
  static constexpr std::size_t kMaxNetworks = 20'000;

  explicit LogBudget(const Clock& clock) : clock_(clock) {}
  /// Whether a line about `client` may be logged. Logs by itself what was left out before.
  [[nodiscard]] bool take(const net::IpAddress& client);

 private:
  struct Use {
    SteadyTime since;
    std::uint32_t lines = 0;
    std::uint64_t left_out = 0;
  };
  const Clock& clock_;
  std::mutex mutex_;
  std::unordered_map<net::IpAddress, Use> uses_;
};

}  // namespace postern::submission
