#pragma once

#include "base/result.h"

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

struct sockaddr;
struct sockaddr_storage;

namespace postern::net {

/// An IPv4 or IPv6 address. An IPv4-mapped IPv6 address is kept as IPv4.
class IpAddress {
 public:
  IpAddress() = default;
  /// "192.0.2.1" or "2001:db8::1", without brackets or zone. Error: Malformed.
  [[nodiscard]] static Result<IpAddress> parse(std::string_view text);
  /// 4 or 16 octets in network order.
  [[nodiscard]] static Result<IpAddress> from_octets(std::string_view octets);
  [[nodiscard]] std::string text() const;
  /// As an address literal of RFC 5321 §4.1.3: "[192.0.2.1]" or "[IPv6:2001:db8::1]".
  [[nodiscard]] std::string literal() const;
  [[nodiscard]] bool is_v6() const { return v6_; }
  [[nodiscard]] bool is_loopback() const;
  /// The address with all but the first `v4_bits` or `v6_bits` bits cleared: what limits per network count
  /// by.
  [[nodiscard]] IpAddress network(unsigned v4_bits, unsigned v6_bits) const;
  [[nodiscard]] const std::array<std::uint8_t, 16>& octets() const { return octets_; }
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  bool v6_ = false;
  std::array<std::uint8_t, 16> octets_{};  // IPv4: the first four
};

/// An address and a TCP port.
struct Endpoint {
  IpAddress ip;
  std::uint16_t port = 0;
  /// "192.0.2.1:587" or "[2001:db8::1]:587". Error: Malformed.
  [[nodiscard]] static Result<Endpoint> parse(std::string_view text);
  [[nodiscard]] static Endpoint from_sockaddr(const sockaddr_storage& address);
  /// Fills `out`; returns its length.
  std::uint32_t to_sockaddr(sockaddr_storage& out) const;
  [[nodiscard]] std::string text() const;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

/// The addresses of this machine's interfaces, loopback included.
[[nodiscard]] std::vector<IpAddress> local_addresses();

}  // namespace postern::net

template <>
struct std::hash<postern::net::IpAddress> {
  std::size_t operator()(const postern::net::IpAddress& ip) const noexcept {
    return std::hash<std::string_view>{}(
        {reinterpret_cast<const char*>(ip.octets().data()), ip.octets().size()});
  }
};
