#include "base/base64.h"

#include <array>
#include <cstdint>

namespace postern {
namespace {
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kInvalid = 0xFF;

constexpr auto kValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kInvalid);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}();

std::uint32_t octet(std::string_view text, std::size_t i) { return static_cast<unsigned char>(text[i]); }
std::uint8_t value_of(char c) { return kValues[static_cast<unsigned char>(c)]; }
}  // namespace

std::string base64_encode(std::string_view octets) {
  std::string out;
  out.reserve((octets.size() + 2) / 3 * 4);
  std::size_t i = 0;
  for (; i + 3 <= octets.size(); i += 3) {
    const std::uint32_t bits = octet(octets, i) << 16U | octet(octets, i + 1) << 8U | octet(octets, i + 2);
    out += kAlphabet[bits >> 18U];
    out += kAlphabet[(bits >> 12U) & 63U];
    out += kAlphabet[(bits >> 6U) & 63U];
    out += kAlphabet[bits & 63U];
  }
  if (const std::size_t left = octets.size() - i; left > 0) {
    const std::uint32_t bits = octet(octets, i) << 16U | (left == 2 ? octet(octets, i + 1) << 8U : 0U);
    out += kAlphabet[bits >> 18U];
    out += kAlphabet[(bits >> 12U) & 63U];
    out += left == 2 ? kAlphabet[(bits >> 6U) & 63U] : '=';
    out += '=';
  }
  return out;
}

Result<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return fail(Errc::Malformed, "base64 length is not a multiple of four");
  std::size_t digits = text.size();
  while (digits > 0 && text.size() - digits < 2 && text[digits - 1] == '=') --digits;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    const std::uint8_t value = value_of(text[i]);
    if (value == kInvalid) return fail(Errc::Malformed, "character outside the base64 alphabet");
    bits = (bits << 6U) | value;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out += static_cast<char>((bits >> held) & 0xFFU);
    }
  }
  if ((bits & ((1U << held) - 1U)) != 0) return fail(Errc::Malformed, "base64 has stray bits at the end");
  return out;
}
}  // namespace postern
