#pragma once

#include <memory>
#include <mutex>
#include <utility>

namespace postern {

/// A value that is replaced as a whole while others read it: what a reload changes.
///
/// A reader takes a snapshot with now() and keeps it for as long as its work lasts (a session, a message), so that
/// what it began by one configuration it also ends by it.
/// Threads  safe from any thread; now() waits for nothing but another now() or replace().
template <class T>
class Live {
 public:
  explicit Live(T first) : current_(std::make_shared<const T>(std::move(first))) {}

  [[nodiscard]] std::shared_ptr<const T> now() const {
    const std::lock_guard lock(mutex_);
    return current_;
  }
  void replace(T next) {
    auto fresh = std::make_shared<const T>(std::move(next));
    const std::lock_guard lock(mutex_);
    current_.swap(fresh);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> current_;
};

}  // namespace postern
