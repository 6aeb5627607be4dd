#include "guard/use.h"

#include <algorithm>
#include <limits>

namespace postern::guard {
namespace {

constexpr char kVersion = 1;

void put(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7U) out += static_cast<char>(value | 0x80U);
  out += static_cast<char>(value);
}

bool get(std::string_view& in, std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto octet = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    value |= static_cast<std::uint64_t>(octet & 0x7fU) << shift;
    if (octet < 0x80U) return true;
  }
  return false;
}

}  // namespace

std::chrono::milliseconds RollingCount::width() const {
  return std::chrono::milliseconds(window_) / static_cast<std::int64_t>(kSlices);
}

void RollingCount::advance(TimePoint now) {
  constexpr auto kAll = static_cast<std::int64_t>(kSlices);
  const std::int64_t slice = now.time_since_epoch() / width();
  if (newest_ - slice >= kAll) {
    // The clock was far ahead and is back: what was counted then counts as if it were now.
    const std::uint64_t kept = sum();
    slices_.fill(0);
    newest_ = slice;
    slices_.at(static_cast<std::size_t>(slice % kAll)) = static_cast<std::uint32_t>(kept);
  } else if (slice - newest_ >= kAll) {
    slices_.fill(0);
    newest_ = slice;
  }
  for (; newest_ < slice; ++newest_) slices_.at(static_cast<std::size_t>((newest_ + 1) % kAll)) = 0;
}

std::uint64_t RollingCount::sum() const {
  std::uint64_t all = 0;
  for (const std::uint32_t one : slices_) all += one;
  return std::min<std::uint64_t>(all, std::numeric_limits<std::uint32_t>::max());
}

std::uint64_t RollingCount::total(TimePoint now) {
  advance(now);
  return sum();
}

void RollingCount::add(TimePoint now, std::uint64_t amount) {
  advance(now);
  std::uint32_t& slice = slices_.at(static_cast<std::size_t>(newest_) % kSlices);
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  slice = static_cast<std::uint32_t>(std::min(kMost, slice + amount));
}

void RollingCount::subtract(TimePoint now, std::uint64_t amount) {
  advance(now);
  for (std::size_t back = 0; back < kSlices && amount > 0; ++back) {
    std::uint32_t& slice = slices_.at((static_cast<std::size_t>(newest_) + kSlices - back) % kSlices);
    const std::uint64_t part = std::min<std::uint64_t>(slice, amount);
    slice -= static_cast<std::uint32_t>(part);
    amount -= part;
  }
}

TimePoint RollingCount::when_at_most(std::uint64_t allowed) const {
  constexpr auto kAll = static_cast<std::int64_t>(kSlices);
  std::uint64_t left = sum();
  std::int64_t gone = newest_ - kAll + 1;
  while (gone <= newest_ && left > allowed) {
    const std::int64_t at = ((gone % kAll) + kAll) % kAll;
    left -= slices_.at(static_cast<std::size_t>(at));
    ++gone;
  }
  return TimePoint((gone - 1 + kAll) * width());
}

void RollingCount::write(std::string& out) const {
  put(out, static_cast<std::uint64_t>(what_));
  put(out, static_cast<std::uint64_t>(window_.count()));
  put(out, static_cast<std::uint64_t>(newest_));
  put(out, warned ? 1 : 0);
  put(out, static_cast<std::uint64_t>(
               kSlices - static_cast<std::size_t>(std::count(slices_.begin(), slices_.end(), 0U))));
  for (std::size_t i = 0; i < kSlices; ++i) {
    if (slices_.at(i) == 0) continue;
    put(out, i);
    put(out, slices_.at(i));
  }
}

bool RollingCount::read(std::string_view& in, std::vector<RollingCount>& out) {
  std::uint64_t what = 0, window = 0, newest = 0, told = 0, number = 0;
  const bool head = get(in, what) && get(in, window) && get(in, newest) && get(in, told) && get(in, number);
  if (!head || what >= kAllCounted.size() || window < 60 || window > 31U * 86400U || number > kSlices)
    return false;
  RollingCount count(static_cast<Counted>(what), std::chrono::seconds{window});
  if (newest > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max() / 2)) return false;
  count.newest_ = static_cast<std::int64_t>(newest);
  count.warned = told != 0;
  for (; number > 0; --number) {
    std::uint64_t at = 0, value = 0;
    if (!get(in, at) || !get(in, value) || at >= kSlices) return false;
    count.slices_.at(at) = static_cast<std::uint32_t>(value);
  }
  out.push_back(count);
  return true;
}

RollingCount& Use::count(Counted what, std::chrono::seconds window) {
  for (RollingCount& one : counts) {
    if (one.is_for(what, window)) return one;
  }
  return counts.emplace_back(what, window);
}

std::string Use::encoded() const {
  std::string out(1, kVersion);
  put(out, static_cast<std::uint64_t>(std::count_if(counts.begin(), counts.end(),
                                                    [](const RollingCount& one) { return !one.unused(); })));
  for (const RollingCount& one : counts) {
    if (!one.unused()) one.write(out);
  }
  if (known == nullptr) return out;
  // Trailing zeros are left out: most accounts know few people, and the old half is often empty.
  std::string words;
  for (const auto* half : {&known->young(), &known->old()}) {
    for (const std::uint64_t word : *half) {
      for (unsigned i = 0; i < 8; ++i) words += static_cast<char>(word >> (8 * i) & 0xffU);
    }
  }
  words.resize(words.find_last_not_of('\0') + 1);
  return out + words;
}

Use Use::decoded(std::string_view octets) {
  Use use;
  std::uint64_t number = 0;
  constexpr std::uint64_t kMostCounts = 64;
  if (octets.empty() || octets.front() != kVersion) return use;
  octets.remove_prefix(1);
  if (!get(octets, number) || number > kMostCounts) return use;
  for (; number > 0; --number) {
    if (!RollingCount::read(octets, use.counts)) return use;
  }
  if (octets.empty()) return use;
  Known::Words young{}, old{};
  for (std::size_t i = 0; i < std::min(octets.size(), sizeof young + sizeof old); ++i) {
    std::uint64_t& word = i < sizeof young ? young.at(i / 8) : old.at((i - sizeof young) / 8);
    word |= static_cast<std::uint64_t>(static_cast<unsigned char>(octets[i])) << (8 * (i % 8));
  }
  use.known = std::make_unique<Known>();
  use.known->restore(young, old);
  return use;
}

}  // namespace postern::guard
