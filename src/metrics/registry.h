#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace postern::metrics {

class Metric;

/// All metrics of a process; they register themselves and must outlive no registry.
/// Threads  safe from any thread.
class Registry {
 public:
  /// The Prometheus text format, version 0.0.4, in order of registration.
  [[nodiscard]] std::string exposition() const;

 private:
  friend class Metric;
  mutable std::mutex mutex_;
  std::vector<const Metric*> metrics_;
};

/// What all kinds share: a name in the style postern_module_what_unit, and a help text that says how to read
/// a rise.
class Metric {
 public:
  Metric(const Metric&) = delete;
  Metric& operator=(const Metric&) = delete;

 protected:
  Metric(Registry& registry, std::string name, std::string help);
  virtual ~Metric();
  friend class Registry;
  virtual void write(std::string& out) const = 0;
  void write_head(std::string& out, const char* type) const;
  Registry& registry_;
  const std::string name_;
  const std::string help_;
};

/// Only grows.
class Counter final : public Metric {
 public:
  Counter(Registry& registry, std::string name, std::string help)
      : Metric(registry, std::move(name), std::move(help)) {}
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  void write(std::string& out) const override;
  std::atomic<std::uint64_t> value_{0};
};

/// One counter for each value of an enum E, told apart by a label.
template <class E>
class CounterBy final : public Metric {
 public:
  /// `values`: the label's value for each enumerator, in their order.
  CounterBy(Registry& registry, std::string name, std::string label, std::vector<const char*> values,
            std::string help)
      : Metric(registry, std::move(name), std::move(help)),
        label_(std::move(label)),
        values_(std::move(values)),
        counts_(values_.size()) {}
  void add(E which, std::uint64_t n = 1) {
    counts_.at(static_cast<std::size_t>(which)).fetch_add(n, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t value(E which) const {
    return counts_.at(static_cast<std::size_t>(which)).load(std::memory_order_relaxed);
  }

 private:
  void write(std::string& out) const override {
    write_head(out, "counter");
    for (std::size_t i = 0; i < values_.size(); ++i)
      out += name_ + "{" + label_ + "=\"" + values_[i] + "\"} " + std::to_string(counts_[i].load()) + "\n";
  }
  const std::string label_;
  const std::vector<const char*> values_;
  std::vector<std::atomic<std::uint64_t>> counts_;
};

/// Goes up and down.
class Gauge final : public Metric {
 public:
  Gauge(Registry& registry, std::string name, std::string help)
      : Metric(registry, std::move(name), std::move(help)) {}
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }

 private:
  void write(std::string& out) const override;
  std::atomic<std::int64_t> value_{0};
};

/// A value that is asked when somebody looks: a counter when its name ends in _total, else a gauge. `read` is called on
/// the thread that writes the exposition and must not block.
class Reading final : public Metric {
 public:
  Reading(Registry& registry, std::string name, std::string help, std::function<double()> read)
      : Metric(registry, std::move(name), std::move(help)), read_(std::move(read)) {}

 private:
  void write(std::string& out) const override;
  const std::function<double()> read_;
};

/// Facts that do not change, as labels of the value 1: `labels` is written as it stands, e.g. version="1.0".
class Info final : public Metric {
 public:
  Info(Registry& registry, std::string name, std::string help, std::string labels)
      : Metric(registry, std::move(name), std::move(help)), labels_(std::move(labels)) {}

 private:
  void write(std::string& out) const override;
  const std::string labels_;
};

/// Upper bounds in seconds for what waits for disks and networks.
inline constexpr std::array<double, 12> kIoSeconds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                   0.05,   0.1,   0.5,    2.5,   10,   60};

/// How long things took.
class Histogram final : public Metric {
 public:
  Histogram(Registry& registry, std::string name, std::string help, const std::array<double, 12>& bounds)
      : Metric(registry, std::move(name), std::move(help)), bounds_(bounds) {}
  void observe(std::chrono::nanoseconds duration);

 private:
  void write(std::string& out) const override;
  const std::array<double, 12> bounds_;
  std::array<std::atomic<std::uint64_t>, 13> counts_{};
  std::atomic<std::int64_t> sum_ns_{0};
};

}  // namespace postern::metrics
