#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace postern::delivery {

/// Which budget the mail for a domain counts against, as it was found when mail last went there. The queue asks, so that
/// all domains behind one provider share its room (queue/schedule.h).
///
/// Threads  safe from any thread.
/// Limits   kMax domains; when they are more, all is forgotten and learnt again.
class SiteNames {
 public:
  static constexpr std::size_t kMax = 50'000;

  void learn(const std::string& domain, const std::string& budget) {
    const std::lock_guard lock(mutex_);
    if (names_.size() >= kMax && !names_.contains(domain)) names_.clear();
    names_[domain] = budget;
  }
  /// `domain` itself as long as nothing is known of it.
  [[nodiscard]] std::string of(std::string_view domain) const {
    std::string name(domain);
    const std::lock_guard lock(mutex_);
    const auto known = names_.find(name);
    return known == names_.end() ? name : known->second;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::string> names_;
};

}  // namespace postern::delivery
