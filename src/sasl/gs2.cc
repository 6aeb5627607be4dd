#include "sasl/gs2.h"

#include <algorithm>

namespace postern::sasl {
namespace {

// cb-name = 1*(ALPHA / DIGIT / "." / "-")
bool is_binding_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  });
}

}  // namespace

std::optional<std::string> decode_saslname(std::string_view text) {
  constexpr std::size_t kMaxField = 255;
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\0' || c == ',') return std::nullopt;
    if (c != '=') {
      out += c;
    } else if (text.substr(i, 3) == "=2C") {
      out += ',';
      i += 2;
    } else if (text.substr(i, 3) == "=3D") {
      out += '=';
      i += 2;
    } else {
      return std::nullopt;
    }
  }
  if (out.empty() || out.size() > kMaxField) return std::nullopt;
  return out;
}

std::optional<Gs2Header> parse_gs2_header(std::string_view message) {
  Gs2Header header;
  const std::size_t first = message.find(',');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = message.find(',', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  header.text = message.substr(0, second + 1);
  const std::string_view flag = message.substr(0, first);
  if (flag == "n") {
    header.flag = Gs2Header::Flag::Unsupported;
  } else if (flag == "y") {
    header.flag = Gs2Header::Flag::NotOfferedToMe;
  } else if (flag.starts_with("p=") && is_binding_name(flag.substr(2))) {
    header.flag = Gs2Header::Flag::Used;
    header.binding_name = flag.substr(2);
  } else {
    return std::nullopt;
  }
  const std::string_view authzid = message.substr(first + 1, second - first - 1);
  if (authzid.empty()) return header;
  if (!authzid.starts_with("a=")) return std::nullopt;
  if (authzid == "a=") return header;  // no saslname, but gsasl says so when it is given an empty identity
  const std::optional<std::string> name = decode_saslname(authzid.substr(2));
  if (!name) return std::nullopt;
  header.authzid = *name;
  return header;
}

}  // namespace postern::sasl
