#pragma once

#include "base/result.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace postern::dns {

/// Record types that a diagnosis asks for (RFC 1035 §3.2.2, RFC 3596, RFC 2782, RFC 6698).
enum class RecordType : std::uint16_t {
  A = 1,
  Ns = 2,
  Mx = 15,
  Txt = 16,
  Aaaa = 28,
  Srv = 33,
  Dnskey = 48,
  Tlsa = 52
};

enum class LookupOutcome { Found, NoSuchName, NoData, Failed, Timeout, Bogus };

/// Everything that one answer says; unlike Resolver's answers, which say what delivery needs.
struct Lookup {
  LookupOutcome outcome = LookupOutcome::Failed;
  bool secure = false;               ///< validated by DNSSEC
  std::vector<std::string> records;  ///< rdata in wire format
  std::string canonical;             ///< what the name is an alias of in the end, or the name
  std::string error;                 ///< in words, for Failed and Bogus
};

struct LookupOptions {
  std::vector<std::string> servers;  ///< "192.0.2.1", "192.0.2.1:53"; empty: those of /etc/resolv.conf
  bool validate = true;
  std::string trust_anchor;  ///< file; empty: that of the root where Debian has it
  std::chrono::milliseconds timeout{8000};
};

/// One question, blocking, for command line tools. Each call has a libunbound context of its own.
/// Errors: Malformed (a server's address), NotFound (the trust anchor); what DNS says is in Lookup.
[[nodiscard]] Result<Lookup> lookup(const std::string& name, RecordType type, const LookupOptions& options);

}  // namespace postern::dns
