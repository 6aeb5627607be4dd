#pragma once

#include "base/result.h"
#include "net/endpoint.h"
#include "net/task.h"

#include <cstdint>
#include <string>
#include <vector>

namespace postern::dns {

/// One MX record.
struct MxHost {
  std::uint16_t preference = 0;
  std::string host;  ///< lower case, without the final dot
  friend bool operator==(const MxHost&, const MxHost&) = default;
};

/// What MX records say about a domain that exists.
struct MxAnswer {
  std::vector<MxHost> hosts;  ///< lowest preference first; empty: no MX record (RFC 5321 §5.1, implicit MX)
  bool null_mx = false;       ///< the domain accepts no mail (RFC 7505); hosts is empty
  bool secure = false;        ///< validated by DNSSEC, every CNAME on the way included
};

/// The addresses of a host that exists; possibly none.
struct AddressAnswer {
  std::vector<net::IpAddress> ips;  ///< IPv4 first: what most receivers trust more
  bool secure = false;
};

/// Looks names up. CNAMEs are followed; U-labels are looked up as A-labels (RFC 6531 §3.2).
///
/// Threads  one loop's thread.
/// Errors   NotFound: the name does not exist (or cannot: not a DNS name). Unavailable: nobody could tell us
/// in time,
///          or what they told did not validate; try again later.
class Resolver {
 public:
  virtual ~Resolver() = default;
  virtual net::Task<Result<MxAnswer>> mx(std::string domain) = 0;
  virtual net::Task<Result<AddressAnswer>> addresses(std::string host) = 0;
};

}  // namespace postern::dns
