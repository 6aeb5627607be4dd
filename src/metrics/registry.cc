#include "metrics/registry.h"

#include <fmt/format.h>

#include <algorithm>

namespace postern::metrics {

Metric::Metric(Registry& registry, std::string name, std::string help)
    : registry_(registry), name_(std::move(name)), help_(std::move(help)) {
  const std::lock_guard lock(registry_.mutex_);
  registry_.metrics_.push_back(this);
}

Metric::~Metric() {
  const std::lock_guard lock(registry_.mutex_);
  std::erase(registry_.metrics_, this);
}

std::string Registry::exposition() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (const Metric* metric : metrics_) metric->write(out);
  return out;
}

void Metric::write_head(std::string& out, const char* type) const {
  out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name_, help_, name_, type);
}

void Counter::write(std::string& out) const {
  write_head(out, "counter");
  out += fmt::format("{} {}\n", name_, value());
}

void Gauge::write(std::string& out) const {
  write_head(out, "gauge");
  out += fmt::format("{} {}\n", name_, value_.load(std::memory_order_relaxed));
}

void Reading::write(std::string& out) const {
  write_head(out, name_.ends_with("_total") ? "counter" : "gauge");
  out += fmt::format("{} {:.17g}\n", name_, read_());
}

void Info::write(std::string& out) const {
  write_head(out, "gauge");
  out += fmt::format("{}{{{}}} 1\n", name_, labels_);
}

void Histogram::observe(std::chrono::nanoseconds duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), seconds) - bounds_.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(duration.count(), std::memory_order_relaxed);
}

void Histogram::write(std::string& out) const {
  write_head(out, "histogram");
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < bounds_.size(); ++i) {
    total += counts_[i].load(std::memory_order_relaxed);
    out += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name_, bounds_[i], total);
  }
  total += counts_.back().load(std::memory_order_relaxed);
  out += fmt::format("{}_bucket{{le=\"+Inf\"}} {}\n{}_sum {}\n{}_count {}\n", name_, total, name_,
                     static_cast<double>(sum_ns_.load(std::memory_order_relaxed)) / 1e9, name_, total);
}

}  // namespace postern::metrics
