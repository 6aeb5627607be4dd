#include "net/proxy_header.h"

#include "net/stream.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace postern::net {
namespace {

using Parsed = Result<std::optional<ProxyHeader>>;

constexpr std::string_view kV1 = "PROXY ";
constexpr std::size_t kMaxV1 = 107;
constexpr std::string_view kV2{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t kV2Fixed = 16;

Error malformed(const char* what) { return fail(Errc::Malformed, std::string("PROXY header: ") + what); }

std::string_view take_word(std::string_view& rest) {
  const std::size_t end = std::min(rest.find(' '), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return word;
}

Result<std::uint16_t> port(std::string_view text) {
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return malformed("bad port");
  return value;
}

// "PROXY TCP4 192.0.2.1 192.0.2.2 56324 587" CRLF
Parsed parse_v1(std::string_view octets) {
  const std::size_t end = octets.substr(0, kMaxV1).find("\r\n");
  if (end == std::string_view::npos)
    return octets.size() < kMaxV1 ? Parsed(std::nullopt) : Parsed(malformed("no end of line"));
  std::string_view rest = octets.substr(kV1.size(), end - kV1.size());
  ProxyHeader header{end + 2, std::nullopt};
  const std::string_view family = take_word(rest);
  if (family == "UNKNOWN") return std::optional(header);
  if (family != "TCP4" && family != "TCP6") return malformed("unknown protocol");
  POSTERN_TRY(const IpAddress source, IpAddress::parse(take_word(rest)));
  POSTERN_CHECK(IpAddress::parse(take_word(rest)));
  POSTERN_TRY(const std::uint16_t source_port, port(take_word(rest)));
  POSTERN_CHECK(port(rest));
  header.client = Endpoint{source, source_port};
  return std::optional(header);
}

std::size_t number(std::string_view two) {
  return static_cast<std::size_t>(static_cast<unsigned char>(two[0])) << 8U |
         static_cast<unsigned char>(two[1]);
}

// signature, version and command, family, length, addresses, TLVs
Parsed parse_v2(std::string_view octets) {
  if (octets.size() < kV2Fixed) return std::nullopt;
  const auto at = [&octets](std::size_t i) { return static_cast<unsigned char>(octets[i]); };
  const std::size_t length = number(octets.substr(14, 2));
  if (at(12) >> 4U != 2U) return malformed("unknown version");
  if (kV2Fixed + length > kMaxProxyHeader) return malformed("too long");
  const unsigned command = at(12) & 15U;
  if (command > 1U) return malformed("unknown command");
  if (octets.size() < kV2Fixed + length) return std::nullopt;
  ProxyHeader header{kV2Fixed + length, std::nullopt};
  const std::string_view addresses = octets.substr(kV2Fixed, length);
  const std::size_t width = at(13) == 0x11 ? 4 : at(13) == 0x21 ? 16 : 0;  // TCP over IPv4, over IPv6
  if (command == 0U || width == 0) return std::optional(header);
  if (length < 2 * width + 4) return malformed("addresses cut off");
  POSTERN_TRY(const IpAddress source, IpAddress::from_octets(addresses.substr(0, width)));
  header.client = Endpoint{source, static_cast<std::uint16_t>(number(addresses.substr(2 * width, 2)))};
  return std::optional(header);
}

}  // namespace

Parsed parse_proxy_header(std::string_view octets) {
  if (octets.starts_with(kV1)) return parse_v1(octets);
  if (octets.starts_with(kV2)) return parse_v2(octets);
  if (kV1.starts_with(octets) || kV2.starts_with(octets)) return std::nullopt;
  return malformed("there is none");
}

Task<Result<ProxyHeader>> read_proxy_header(Stream& stream, SteadyTime deadline) {
  std::string octets;
  for (;;) {
    const Parsed parsed = parse_proxy_header(octets);
    if (!parsed) co_return parsed.error();
    if (*parsed) co_return **parsed;
    // Octets behind the header belong to TLS: never ask for one too many.
    std::size_t wanted = 1;
    if (octets.size() < kV2.size() && !octets.starts_with(kV1))
      wanted = kV1.size() - std::min(octets.size(), kV1.size() - 1);
    if (octets.size() >= kV2.size() && octets.starts_with(kV2)) {
      wanted = octets.size() < kV2Fixed
                   ? kV2Fixed - octets.size()
                   : kV2Fixed + number(std::string_view(octets).substr(14, 2)) - octets.size();
    }
    const Result<std::string> more = co_await stream.read_raw(wanted, deadline);
    if (!more) co_return more.error();
    octets += *more;
  }
}

}  // namespace postern::net
