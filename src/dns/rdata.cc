#include "dns/rdata.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace postern::dns {
namespace {

constexpr std::size_t kLongestName = 255;  // octets on the wire, RFC 1035 §2.3.4
constexpr std::size_t kLongestLabel = 63;

void append_octet(std::string& text, char c) {
  const auto octet = static_cast<unsigned char>(c);
  if (c >= 'A' && c <= 'Z') {
    text += static_cast<char>(c - 'A' + 'a');
  } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_') {
    text += c;
  } else {
    std::array<char, 5> escaped{};
    std::snprintf(escaped.data(), escaped.size(), "\\%03u", octet);
    text += escaped.data();
  }
}

}  // namespace

Result<std::string> name_from_wire(std::string_view wire) {
  if (wire.size() > kLongestName) return fail(Errc::Malformed, "domain name too long");
  std::string text;
  std::size_t at = 0;
  for (;;) {
    if (at >= wire.size()) return fail(Errc::Malformed, "domain name without end");
    const std::size_t length = static_cast<unsigned char>(wire[at++]);
    if (length == 0) break;
    if (length > kLongestLabel || at + length > wire.size())
      return fail(Errc::Malformed, "bad label in a domain name");
    if (!text.empty()) text += '.';
    for (const char c : wire.substr(at, length)) append_octet(text, c);
    at += length;
  }
  if (at != wire.size()) return fail(Errc::Malformed, "octets after a domain name");
  return text;
}

MxAnswer mx_from_rdata(const std::vector<std::string>& records) {
  MxAnswer answer;
  bool root = false;
  for (const std::string& record : records) {
    if (record.size() < 3) continue;
    const Result<std::string> host = name_from_wire(std::string_view(record).substr(2));
    if (!host) continue;
    if (host->empty()) {
      root = true;
      continue;
    }
    const int preference = static_cast<unsigned char>(record[0]) << 8 | static_cast<unsigned char>(record[1]);
    answer.hosts.push_back({static_cast<std::uint16_t>(preference), *host});
  }
  answer.null_mx = root && answer.hosts.empty();
  std::ranges::stable_sort(answer.hosts, {}, &MxHost::preference);
  return answer;
}

std::optional<net::TlsaRecord> tlsa_from_rdata(std::string_view rdata) {
  constexpr std::size_t kFixed = 3;
  if (rdata.size() <= kFixed) return std::nullopt;
  return net::TlsaRecord{static_cast<unsigned char>(rdata[0]), static_cast<unsigned char>(rdata[1]),
                         static_cast<unsigned char>(rdata[2]), std::string(rdata.substr(kFixed))};
}

std::string text_from_rdata(std::string_view rdata) {
  std::string out;
  while (!rdata.empty()) {
    const std::size_t length = static_cast<unsigned char>(rdata.front());
    rdata.remove_prefix(1);
    out += rdata.substr(0, length);
    rdata.remove_prefix(std::min(length, rdata.size()));
  }
  return out;
}

}  // namespace postern::dns
