#pragma once

#include "base/result.h"
#include "net/endpoint.h"

#include <string>
#include <string_view>

namespace postern::net {

/// A range of addresses: "192.0.2.0/24", "2001:db8::/32", or one address.
class Network {
 public:
  /// Errors: Malformed, also when bits behind the prefix are set ("192.0.2.1/24": a slip of the pen).
  [[nodiscard]] static Result<Network> parse(std::string_view text);
  [[nodiscard]] bool contains(const IpAddress& ip) const;
  [[nodiscard]] IpAddress first() const { return base_; }
  [[nodiscard]] IpAddress last() const;
  /// As parse() reads it; one address has no "/".
  [[nodiscard]] std::string text() const;

 private:
  IpAddress base_;
  unsigned bits_ = 0;
};

}  // namespace postern::net
