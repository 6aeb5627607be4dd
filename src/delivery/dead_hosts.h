#pragma once

#include "base/clock.h"
#include "net/endpoint.h"

#include <chrono>
#include <cstddef>
#include <unordered_map>

namespace postern::delivery {

/// Addresses that did not answer a moment ago, so that one dead host costs one timeout and not one per
/// message. Threads  none: one per loop. Limits   kMax addresses; when full, what has expired goes, and if
/// nothing has, all of it.
class DeadHosts {
 public:
  explicit DeadHosts(std::chrono::seconds memory) : memory_(memory) {}

  void add(const net::IpAddress& ip, SteadyTime now) {
    if (until_.size() >= kMax) {
      std::erase_if(until_, [now](const auto& entry) { return entry.second <= now; });
      if (until_.size() >= kMax) until_.clear();
    }
    until_[ip] = now + memory_;
  }
  [[nodiscard]] bool contains(const net::IpAddress& ip, SteadyTime now) const {
    const auto found = until_.find(ip);
    return found != until_.end() && now < found->second;
  }
  void clear() { until_.clear(); }
  void forget(const net::IpAddress& ip) { until_.erase(ip); }

 private:
  static constexpr std::size_t kMax = 10'000;
  std::chrono::seconds memory_;
  std::unordered_map<net::IpAddress, SteadyTime> until_;
};

}  // namespace postern::delivery
