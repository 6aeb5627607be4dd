#pragma once

#include <string>
#include <vector>

namespace postern::app {

/// One record to publish.
struct DnsRecord {
  std::string name;  ///< without the final dot
  std::string type;  ///< "TXT", "SRV"
  std::string value;
  std::string why;
};

/// What the records depend on.
struct MailDomain {
  std::string domain;
  std::string hostname;
  std::string selector;
  std::string dkim_record;  ///< "v=DKIM1; ..."; empty: not made yet
  std::string postmaster;   ///< where DMARC reports go
  std::string relay;        ///< host of the smarthost; empty: we deliver ourselves
};

/// The records of a domain that sends through us: DKIM (RFC 6376 §3.6), SPF (RFC 7208), DMARC (RFC 7489), and where its
/// mail clients find us (RFC 6186 §3.1, RFC 8314 §5.1).
[[nodiscard]] std::vector<DnsRecord> dns_records(const MailDomain& domain);

/// A TXT value as zone files want it: quoted strings of at most 255 octets (RFC 6376 §3.6.2.2).
[[nodiscard]] std::string zone_text(const std::string& value);

/// The records as lines of a zone file, each with a comment that says what it is for.
[[nodiscard]] std::string zone_file(const std::vector<DnsRecord>& records);

}  // namespace postern::app
