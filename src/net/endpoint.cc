#include "net/endpoint.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace postern::net {
namespace {
constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
}  // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string copy(text.substr(0, text.find('\0')));
  if (copy.size() != text.size()) return fail(Errc::Malformed, "not an IP address");
  std::array<char, 16> raw{};
  if (inet_pton(AF_INET, copy.c_str(), raw.data()) == 1) return from_octets({raw.data(), 4});
  if (inet_pton(AF_INET6, copy.c_str(), raw.data()) == 1) return from_octets({raw.data(), 16});
  return fail(Errc::Malformed, "not an IP address: " + copy);
}

Result<IpAddress> IpAddress::from_octets(std::string_view octets) {
  if (octets.size() != 4 && octets.size() != 16)
    return fail(Errc::Malformed, "an IP address has 4 or 16 octets");
  IpAddress ip;
  std::memcpy(ip.octets_.data(), octets.data(), octets.size());
  ip.v6_ = octets.size() == 16;
  if (ip.v6_ && std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), ip.octets_.begin())) {
    std::array<std::uint8_t, 16> v4{};
    std::copy_n(ip.octets_.begin() + 12, 4, v4.begin());
    ip.octets_ = v4;
    ip.v6_ = false;
  }
  return ip;
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  inet_ntop(v6_ ? AF_INET6 : AF_INET, octets_.data(), buffer.data(), buffer.size());
  return buffer.data();
}

std::string IpAddress::literal() const { return (v6_ ? "[IPv6:" : "[") + text() + "]"; }

bool IpAddress::is_loopback() const {
  if (!v6_) return octets_[0] == 127;
  return octets_[15] == 1 &&
         std::all_of(octets_.begin(), octets_.end() - 1, [](auto octet) { return octet == 0; });
}

IpAddress IpAddress::network(unsigned v4_bits, unsigned v6_bits) const {
  IpAddress masked = *this;
  const unsigned bits = v6_ ? v6_bits : v4_bits;
  for (unsigned i = 0; i < octets_.size(); ++i) {
    const unsigned keep = std::min(8U, bits - std::min(bits, i * 8));
    masked.octets_[i] = static_cast<std::uint8_t>(masked.octets_[i] & (0xFF00U >> keep));
  }
  return masked;
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return fail(Errc::Malformed, "no port in \"" + std::string(text) + "\"");
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!bracketed && host.find(':') != std::string_view::npos) {
    return fail(Errc::Malformed, "write an IPv6 address in brackets: [address]:port");
  }
  Endpoint endpoint;
  POSTERN_TRY(endpoint.ip, IpAddress::parse(host));
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  if (error != std::errc{} || end != port.data() + port.size()) {
    return fail(Errc::Malformed, "not a port number: \"" + std::string(port) + "\"");
  }
  return endpoint;
}

Endpoint Endpoint::from_sockaddr(const sockaddr_storage& address) {
  Endpoint endpoint;
  std::string_view raw;
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    raw = {reinterpret_cast<const char*>(&v4.sin_addr), 4};
    endpoint.port = ntohs(v4.sin_port);
  } else if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    raw = {reinterpret_cast<const char*>(&v6.sin6_addr), 16};
    endpoint.port = ntohs(v6.sin6_port);
  }
  // A unix socket has no address: the peer is this machine.
  endpoint.ip = raw.empty() ? *IpAddress::parse("127.0.0.1") : *IpAddress::from_octets(raw);
  return endpoint;
}

std::uint32_t Endpoint::to_sockaddr(sockaddr_storage& out) const {
  out = {};
  if (ip.is_v6()) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&v6.sin6_addr, ip.octets().data(), 16);
    return sizeof(sockaddr_in6);
  }
  auto& v4 = reinterpret_cast<sockaddr_in&>(out);
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  std::memcpy(&v4.sin_addr, ip.octets().data(), 4);
  return sizeof(sockaddr_in);
}

std::string Endpoint::text() const {
  return (ip.is_v6() ? "[" + ip.text() + "]" : ip.text()) + ":" + std::to_string(port);
}

std::vector<IpAddress> local_addresses() {
  std::vector<IpAddress> out;
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return out;
  for (const ifaddrs* each = first; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr) continue;
    const int family = each->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    sockaddr_storage address{};
    std::memcpy(&address, each->ifa_addr, family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    out.push_back(Endpoint::from_sockaddr(address).ip);
  }
  ::freeifaddrs(first);
  return out;
}

}  // namespace postern::net
