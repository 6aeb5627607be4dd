#pragma once

#include <atomic>
#include <chrono>

namespace postern {

/// Wall-clock instant: what is stored and shown (UTC).
using TimePoint = std::chrono::sys_time<std::chrono::milliseconds>;
/// Monotonic instant: what deadlines are made of.
using SteadyTime = std::chrono::steady_clock::time_point;

/// Where every module above base gets the time from, so that tests decide what time it is.
/// Threads  safe from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual TimePoint now() const = 0;
  [[nodiscard]] virtual SteadyTime steady_now() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  }
  [[nodiscard]] SteadyTime steady_now() const override { return std::chrono::steady_clock::now(); }
};

/// Stands still until told to move.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(TimePoint start = TimePoint{std::chrono::milliseconds{1'700'000'000'000}})
      : now_ms_(start.time_since_epoch().count()) {}
  [[nodiscard]] TimePoint now() const override {
    return TimePoint{std::chrono::milliseconds{now_ms_.load()}};
  }
  [[nodiscard]] SteadyTime steady_now() const override {
    return SteadyTime{std::chrono::milliseconds{now_ms_.load()}};
  }
  void advance(std::chrono::milliseconds by) { now_ms_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_ms_;
};

}  // namespace postern
