#include "guard/watch/networks.h"

#include <algorithm>
#include <functional>

namespace postern::guard {
namespace {

constexpr double kNearby =
    0.25;  // another network of the same provider: mobile clients change it all the time

std::uint32_t folded(const net::IpAddress& network, std::uint32_t salt) {
  std::uint64_t hash = 0xcbf29ce484222325ULL ^ salt;
  for (const std::uint8_t octet : network.octets()) hash = (hash ^ octet) * 0x100000001b3ULL;
  hash ^= hash >> 32U;
  return std::max<std::uint32_t>(1, static_cast<std::uint32_t>(hash));
}

}  // namespace

Place Place::of(const net::IpAddress& client) {
  const std::uint32_t family = client.is_v6() ? 6 : 4;
  return {folded(client.network(24, 48), family), folded(client.network(16, 32), family + 16)};
}

const Networks::Entry* Networks::find(std::uint32_t network) const {
  for (const Entry& entry : entries_) {
    if (entry.network == network) return &entry;
  }
  return nullptr;
}

bool Networks::trusts(const Place& place) const {
  const Entry* entry = find(place.network);
  return entry != nullptr && entry->calm >= kCalm;
}

double Networks::strangeness(const Place& place) const {
  if (!place.known() || trusts(place)) return 0;
  bool any = false;
  for (const Entry& entry : entries_) {
    if (entry.calm < kCalm) continue;
    any = true;
    if (entry.surrounding == place.surrounding) return kNearby;
  }
  return any ? 1 : 0;
}

bool Networks::note(const Place& place, std::uint32_t minute) {
  if (!place.known()) return false;
  bool first = true;
  for (Entry& entry : entries_) {
    if (entry.network == place.network) {
      entry.last_minute = minute;
      return false;
    }
    first = first && entry.network == 0;
  }
  // Strangers make room before trusted networks, the longest unused first.
  const auto keep = [](const Entry& entry) {
    return std::pair{entry.network != 0 && entry.calm >= kCalm, entry.network == 0 ? 0 : entry.last_minute};
  };
  Entry* room = &entries_[0];
  std::size_t strangers = 0;
  for (Entry& entry : entries_) {
    if (keep(entry) < keep(*room)) room = &entry;
    strangers += entry.calm < kCalm ? 1 : 0;
  }
  if (strangers == 0) {
    room = std::min_element(entries_.begin(), entries_.end(),
                            [](const Entry& a, const Entry& b) { return a.last_minute < b.last_minute; });
  }
  *room = {place.network, place.surrounding, minute, first ? kCalm : std::uint8_t{0}};
  return !first;
}

bool Networks::note_calm(const Place& place) {
  for (Entry& entry : entries_) {
    if (entry.network != place.network || !place.known() || entry.calm == 255) continue;
    return ++entry.calm == kCalm;
  }
  return false;
}

bool Networks::used_elsewhere(const Place& place, std::uint32_t minute, std::uint32_t minutes) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.network != 0 && entry.network != place.network && entry.calm >= kCalm &&
           entry.last_minute + minutes >= minute;
  });
}

}  // namespace postern::guard
