#pragma once

#include "base/result.h"
#include "net/endpoint.h"
#include "net/task.h"
#include "net/tls.h"

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
  std::string canonical =
      {};  ///< what the domain is an alias of, in the end; the domain itself when of nothing
};

/// The addresses of a host that exists; possibly none.
struct AddressAnswer {
  std::vector<net::IpAddress> ips;  ///< IPv4 first: what most receivers trust more
  bool secure = false;              ///< all of them, every CNAME on the way included
  std::string canonical = {};       ///< as in MxAnswer
};

/// The TLSA records of a name; possibly none, also when the name does not exist.
struct TlsaAnswer {
  std::vector<net::TlsaRecord> records;
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
  /// `name` is whole: "_25._tcp.mx.example.org". Error: Unavailable only.
  virtual net::Task<Result<TlsaAnswer>> tlsa(std::string name) = 0;
  /// The strings of each TXT record of `name` put together (RFC 1035 §3.3.14); none when it does not exist. Error:
  /// Unavailable only.
  virtual net::Task<Result<std::vector<std::string>>> txt(std::string name) = 0;
  /// Whether DNSSEC vouches for `name` being an alias, whatever it is an alias of.
  virtual net::Task<Result<bool>> secure_alias(std::string name) = 0;
};

}  // namespace postern::dns
