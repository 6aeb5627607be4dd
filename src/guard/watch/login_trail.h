#pragma once

#include "guard/watch/networks.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <unordered_map>

namespace postern::guard {

/// Failed logins of one account from one network, so that a success behind them can be told from an owner's.
///
/// Threads  safe from any thread.
/// Limits   kMaxEntries; when full, what is older than kMemory goes, and then all.
class LoginTrail {
 public:
  static constexpr std::size_t kMaxEntries = 50'000;
  static constexpr std::chrono::seconds kMemory{3600};

  /// `time`: seconds since 1970.
  void failed(const Place& place, std::string_view name, std::int64_t time);
  /// How many came before this success, within kMemory; they are forgotten now.
  [[nodiscard]] std::uint32_t succeeded(const Place& place, std::string_view name, std::int64_t time);

 private:
  struct Failures {
    std::uint32_t count = 0;
    std::int64_t last = 0;
  };
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, Failures> entries_;
};

}  // namespace postern::guard
