#include "smtp/xtext.h"

namespace postern::smtp {
namespace {
constexpr std::string_view kHex = "0123456789ABCDEF";
bool is_xchar(char c) { return c >= '!' && c <= '~' && c != '+' && c != '='; }
}  // namespace

Result<std::string> xtext_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      const std::size_t high = i + 1 < text.size() ? kHex.find(text[i + 1]) : std::string_view::npos;
      const std::size_t low = i + 2 < text.size() ? kHex.find(text[i + 2]) : std::string_view::npos;
      if (high == std::string_view::npos || low == std::string_view::npos)
        return fail(Errc::Malformed, "bad xtext");
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else if (is_xchar(text[i])) {
      out += text[i];
    } else {
      return fail(Errc::Malformed, "bad xtext");
    }
  }
  return out;
}

std::string xtext_encode(std::string_view octets) {
  std::string out;
  for (const char c : octets) {
    if (is_xchar(c)) {
      out += c;
    } else {
      const auto octet = static_cast<unsigned char>(c);
      out += '+';
      out += kHex[octet >> 4U];
      out += kHex[octet & 15U];
    }
  }
  return out;
}

}  // namespace postern::smtp
