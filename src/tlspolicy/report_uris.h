#pragma once

#include <string>
#include <vector>

namespace postern::tlspolicy {

/// Where a domain wants its reports (RFC 8460 §3); all empty: nowhere.
struct ReportUris {
  std::vector<std::string> mail;   ///< addresses, decoded
  std::vector<std::string> https;  ///< URLs
  [[nodiscard]] bool empty() const { return mail.empty() && https.empty(); }
};

/// From the TXT records of _smtp._tls.DOMAIN. More than one TLSRPT record counts as none; URIs that cannot be used
/// are left out; at most kMaxUris are kept.
[[nodiscard]] ReportUris parse_report_uris(const std::vector<std::string>& txt);

inline constexpr std::size_t kMaxUris = 4;

}  // namespace postern::tlspolicy
