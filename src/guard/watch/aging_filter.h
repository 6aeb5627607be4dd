#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace postern::guard {

/// Which values were seen lately, in constant memory: two Bloom filters, a young and an old one.
///
/// Values go into the young one; when half of its bits are set it becomes the old one, and what was old is
/// forgotten. A value that is seen again moves into the young one, so what is in use stays.
/// Limits   `kBits` bits twice. With three bits per value a generation holds about kBits * 0.23 values; an answer
///          "seen" is wrong with false_positives(), an answer "new" only for what was forgotten.
template <std::size_t kBits>
class AgingFilter {
  static_assert(kBits % 64 == 0);

 public:
  using Words = std::array<std::uint64_t, kBits / 64>;

  [[nodiscard]] bool contains(std::uint64_t hash) const {
    return in(young_, hash) || (old_ones_ > 0 && in(old_, hash));
  }

  void add(std::uint64_t hash) {
    if (in(young_, hash)) return;
    for (std::size_t i = 0; i < kHashes; ++i) {
      const std::size_t bit = bit_of(hash, i);
      std::uint64_t& word = young_[bit / 64];
      const std::uint64_t mask = std::uint64_t{1} << (bit % 64);
      young_ones_ += (word & mask) == 0 ? 1U : 0U;
      word |= mask;
    }
    if (young_ones_ * 2 < kBits) return;
    old_ = young_;
    old_ones_ = young_ones_;
    young_.fill(0);
    young_ones_ = 0;
  }

  /// The share of new values that are taken for seen ones, 0 to 0.25.
  [[nodiscard]] double false_positives() const {
    const auto share = [](std::uint32_t ones) {
      const double filled = static_cast<double>(ones) / kBits;
      return filled * filled * filled;
    };
    const double young = share(young_ones_);
    const double old = share(old_ones_);
    return young + old - young * old;
  }

  [[nodiscard]] const Words& young() const { return young_; }
  [[nodiscard]] const Words& old() const { return old_; }
  /// What young() and old() gave before.
  void restore(const Words& young, const Words& old) {
    young_ = young;
    old_ = old;
    young_ones_ = count(young);
    old_ones_ = count(old);
  }

 private:
  static constexpr std::size_t kHashes = 3;

  static std::size_t bit_of(std::uint64_t hash, std::size_t i) {
    const auto first = static_cast<std::uint32_t>(hash);
    const auto step = static_cast<std::uint32_t>(hash >> 32U) | 1U;
    return (first + static_cast<std::uint32_t>(i) * step) % kBits;
  }
  static bool in(const Words& words, std::uint64_t hash) {
    for (std::size_t i = 0; i < kHashes; ++i) {
      const std::size_t bit = bit_of(hash, i);
      if ((words[bit / 64] >> (bit % 64) & 1U) == 0) return false;
    }
    return true;
  }
  static std::uint32_t count(const Words& words) {
    std::uint32_t ones = 0;
    for (const std::uint64_t word : words) ones += static_cast<std::uint32_t>(__builtin_popcountll(word));
    return ones;
  }

  Words young_{};
  Words old_{};
  std::uint32_t young_ones_ = 0;
  std::uint32_t old_ones_ = 0;
};

}  // namespace postern::guard
