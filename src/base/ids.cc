#include "base/ids.h"

#include <array>
#include <atomic>
#include <random>

namespace postern {
namespace {
constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kLength = 13;
constexpr unsigned kLowBits = 21;
}  // namespace

std::string id_text(std::int64_t value) {
  std::string text(kLength, '0');
  auto rest = static_cast<std::uint64_t>(value);
  for (std::size_t i = kLength; i-- > 0; rest >>= 5U) text[i] = kAlphabet[rest & 31U];
  return text;
}

std::optional<std::int64_t> parse_id_text(std::string_view text) {
  if (text.size() != kLength) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    const char upper = (c >= 'a' && c <= 'z') ? static_cast<char>(c - 'a' + 'A') : c;
    const std::size_t digit = kAlphabet.find(upper);
    if (digit == std::string_view::npos) return std::nullopt;
    if (value >> 58U) return std::nullopt;
    value = (value << 5U) | digit;
  }
  return static_cast<std::int64_t>(value);
}

std::int64_t make_id(std::int64_t now_ms) {
  // The low bits start at random and count up, so two ids of one process never meet
  // and two processes with the same clock hardly ever do.
  static std::atomic<std::uint64_t> counter{std::random_device{}()};
  const std::uint64_t low = counter.fetch_add(1, std::memory_order_relaxed) & ((1U << kLowBits) - 1U);
  return static_cast<std::int64_t>((static_cast<std::uint64_t>(now_ms) << kLowBits) | low);
}
}  // namespace postern
