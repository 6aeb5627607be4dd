#include "net/network.h"

#include <algorithm>
#include <charconv>

namespace postern::net {
namespace {
unsigned width(const IpAddress& ip) { return ip.is_v6() ? 128 : 32; }
}  // namespace

Result<Network> Network::parse(std::string_view text) {
  const auto bad = [text](const char* why) { return fail(Errc::Malformed, std::string(text) + ": " + why); };
  Network out;
  const std::size_t slash = text.find('/');
  const Result<IpAddress> base = IpAddress::parse(text.substr(0, slash));
  if (!base) return bad("not an IP address or network, such as 192.0.2.0/24 or 2001:db8::/32");
  out.base_ = *base;
  out.bits_ = width(out.base_);
  if (slash == std::string_view::npos) return out;
  const std::string_view bits = text.substr(slash + 1);
  const auto [end, error] = std::from_chars(bits.data(), bits.data() + bits.size(), out.bits_);
  if (error != std::errc{} || end != bits.data() + bits.size() || out.bits_ > width(out.base_))
    return bad("the prefix length is wrong");
  const IpAddress clear = out.base_.network(out.bits_, out.bits_);
  if (clear != out.base_)
    return bad(
        ("bits are set behind the prefix; did you mean " + clear.text() + '/' + std::string(bits) + "?")
            .c_str());
  return out;
}

bool Network::contains(const IpAddress& ip) const {
  return ip.is_v6() == base_.is_v6() && ip.network(bits_, bits_) == base_;
}

IpAddress Network::last() const {
  const std::size_t size = width(base_) / 8;
  std::string octets;
  for (std::size_t i = 0; i < size; ++i) {
    const unsigned fixed = bits_ <= i * 8 ? 0 : std::min(8U, bits_ - static_cast<unsigned>(i * 8));
    octets += static_cast<char>(base_.octets().at(i) | (0xFFU >> fixed));
  }
  return *IpAddress::from_octets(octets);  // it has 4 or 16
}

std::string Network::text() const {
  return bits_ == width(base_) ? base_.text() : base_.text() + '/' + std::to_string(bits_);
}

}  // namespace postern::net
