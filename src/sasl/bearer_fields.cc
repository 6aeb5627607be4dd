#include "sasl/bearer_fields.h"

#include <algorithm>

namespace postern::sasl {
namespace {

constexpr char kSeparator = '\x01';

bool is_key_char(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// b64token of RFC 6750 §2.1, so a JWT or an opaque token; nothing that could leave a header line.
bool is_token(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_key_char(c) || (c >= '0' && c <= '9') ||
           std::string_view("-._~+/=").find(c) != std::string_view::npos;
  });
}

std::string bearer_token(std::string_view value) {
  constexpr std::string_view kType = "bearer ";
  if (value.size() <= kType.size() ||
      !std::equal(kType.begin(), kType.end(), value.begin(), [](char a, char b) { return a == lower(b); }))
    return {};
  value.remove_prefix(kType.size());
  while (value.starts_with(' ')) value.remove_prefix(1);
  return is_token(value) ? std::string(value) : std::string{};
}

}  // namespace

std::optional<BearerFields> parse_bearer_fields(std::string_view text) {
  BearerFields out;
  while (!text.empty() && text.front() != kSeparator) {
    const std::size_t end = text.find(kSeparator);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0) return std::nullopt;
    const std::string_view key = pair.substr(0, equals);
    const std::string_view value = pair.substr(equals + 1);
    if (!std::all_of(key.begin(), key.end(), is_key_char) || value.find('\0') != std::string_view::npos)
      return std::nullopt;
    if (key == "user") out.user = value;
    if (key == "auth") out.token = bearer_token(value);
  }
  if (text != std::string_view(&kSeparator, 1)) return std::nullopt;
  return out;
}

std::string json_safe(std::string_view text) {
  std::string out;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out),
               [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
  return out;
}

}  // namespace postern::sasl
