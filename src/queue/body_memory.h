#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace postern::queue {

/// How much of the messages on their way in may be in memory beyond 64 KiB each. Whoever gets nothing more uses
/// the store, which is slower and always right.
/// Threads  safe from any thread.
class BodyMemory {
 public:
  static constexpr std::size_t kBudget = std::size_t{32} * 1024 * 1024;

  explicit BodyMemory(std::size_t budget = kBudget) : left_(budget) {}

  [[nodiscard]] bool take(std::size_t octets) {
    std::size_t left = left_.load(std::memory_order_relaxed);
    while (left >= octets) {
      if (left_.compare_exchange_weak(left, left - octets, std::memory_order_relaxed)) return true;
    }
    return false;
  }
  void give_back(std::size_t octets) { left_.fetch_add(octets, std::memory_order_relaxed); }
  [[nodiscard]] std::size_t left() const { return left_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::size_t> left_;
};

/// What one message has taken of it.
class BodyShare {
 public:
  explicit BodyShare(std::shared_ptr<BodyMemory> memory) : memory_(std::move(memory)) {}
  ~BodyShare() { give_back(); }
  BodyShare(BodyShare&& other) noexcept : memory_(other.memory_), taken_(std::exchange(other.taken_, 0)) {}
  BodyShare(const BodyShare&) = delete;
  BodyShare& operator=(const BodyShare&) = delete;
  BodyShare& operator=(BodyShare&&) = delete;

  [[nodiscard]] bool take(std::size_t octets) {
    if (!memory_->take(octets)) return false;
    taken_ += octets;
    return true;
  }
  void give_back() { memory_->give_back(std::exchange(taken_, 0)); }

  /// `content` with the share it needs, which ends with it.
  [[nodiscard]] static std::shared_ptr<const std::string> bind(BodyShare share, std::string content) {
    struct Kept {
      BodyShare share;
      std::string content;
    };
    auto kept = std::make_shared<Kept>(Kept{std::move(share), std::move(content)});
    return {kept, &kept->content};
  }

 private:
  std::shared_ptr<BodyMemory> memory_;
  std::size_t taken_ = 0;
};

}  // namespace postern::queue
