#include "guard/watch/login_trail.h"

#include "guard/watch/watch.h"
#include "smtp/ascii.h"

namespace postern::guard {
namespace {

std::uint64_t key_of(const Place& place, std::string_view name) {
  const std::uint64_t who = WatchedRecipient::of(smtp::to_lower(name)).address;
  return who ^ ((std::uint64_t{place.network} << 32U) | place.surrounding);
}

}  // namespace

void LoginTrail::failed(const Place& place, std::string_view name, std::int64_t time) {
  const std::lock_guard lock(mutex_);
  if (entries_.size() >= kMaxEntries) {
    std::erase_if(entries_, [time](const auto& e) { return time - e.second.last > kMemory.count(); });
    if (entries_.size() >= kMaxEntries) entries_.clear();
  }
  Failures& failures = entries_[key_of(place, name)];
  if (time - failures.last > kMemory.count()) failures.count = 0;
  ++failures.count;
  failures.last = time;
}

std::uint32_t LoginTrail::succeeded(const Place& place, std::string_view name, std::int64_t time) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key_of(place, name));
  if (found == entries_.end()) return 0;
  const Failures failures = found->second;
  entries_.erase(found);
  return time - failures.last > kMemory.count() ? 0 : failures.count;
}

}  // namespace postern::guard
