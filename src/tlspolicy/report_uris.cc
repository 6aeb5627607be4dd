#include "tlspolicy/report_uris.h"

#include "mail/address.h"
#include "net/http_client.h"

#include <algorithm>
#include <optional>
#include <string_view>

namespace postern::tlspolicy {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// What stands before the next `end`; the rest stays in `text`.
std::string_view take(std::string_view& text, char end) {
  const std::size_t at = std::min(text.find(end), text.size());
  const std::string_view piece = trimmed(text.substr(0, at));
  text.remove_prefix(std::min(at + 1, text.size()));
  return piece;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

/// One plain ASCII address: what comes from DNS must not become two recipients or a header line.
bool is_address(const std::string& text) {
  const bool plain = std::ranges::all_of(text, [](char c) {
    return c > ' ' && c <= '~' && c != '<' && c != '>' && c != '"' && c != ',' && c != ';' && c != '\\';
  });
  const auto parsed = mail::parse_address_list(text);
  constexpr std::size_t kLongest = 254;
  return plain && text.size() <= kLongest && parsed && parsed->size() == 1 && parsed->front().text() == text;
}

void add_uri(ReportUris& uris, std::string_view uri) {
  if (uris.mail.size() + uris.https.size() == kMaxUris) return;
  constexpr std::string_view kMailto = "mailto:";
  if (uri.starts_with(kMailto)) {
    uri.remove_prefix(kMailto.size());
    const auto address = percent_decoded(uri.substr(0, uri.find('?')));
    if (address && is_address(*address)) uris.mail.push_back(*address);
  } else if (uri.starts_with("https:") && net::HttpUrl::parse(uri)) {
    uris.https.emplace_back(uri);
  }
}

}  // namespace

ReportUris parse_report_uris(const std::vector<std::string>& txt) {
  static constexpr std::string_view kVersion = "v=TLSRPTv1";
  const auto is_record = [](std::string_view text) {
    return text.starts_with(kVersion) && trimmed(text.substr(kVersion.size())).starts_with(';');
  };
  ReportUris uris;
  if (std::ranges::count_if(txt, is_record) != 1) return uris;
  std::string_view rest = *std::ranges::find_if(txt, is_record);
  bool found = false;
  while (!rest.empty()) {
    std::string_view field = take(rest, ';');
    if (!field.starts_with("rua=") || found) continue;
    found = true;
    field.remove_prefix(4);
    while (!field.empty()) add_uri(uris, take(field, ','));
  }
  return uris;
}

}  // namespace postern::tlspolicy
