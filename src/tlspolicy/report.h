#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "tlspolicy/session_log.h"

#include <string>
#include <vector>

namespace postern::tlspolicy {

/// Who reports.
struct ReportAuthor {
  std::string organization;
  std::string contact;  ///< an address; its domain signs the mail and is the submitter (RFC 8460 §5.3)
  [[nodiscard]] std::string domain() const { return contact.substr(contact.rfind('@') + 1); }
};

/// What one domain is told about one day.
struct TlsReport {
  Day day;
  std::string domain;
  std::vector<SessionCount> sessions;
};

/// The same for the same day and domain, so that a receiver knows a report that comes twice (RFC 8460 §5.3).
[[nodiscard]] std::string report_id(const TlsReport& report, const ReportAuthor& author);
/// RFC 8460 §4.4.
[[nodiscard]] std::string report_json(const TlsReport& report, const ReportAuthor& author);
/// "sender!policy-domain!begin!end.json.gz" (RFC 8460 §5.1).
[[nodiscard]] std::string report_filename(const TlsReport& report, const ReportAuthor& author);
/// RFC 1952. Error: Internal.
[[nodiscard]] Result<std::string> gzip(const std::string& text);
/// The mail that carries the compressed report to `recipient`, CRLF line ends (RFC 8460 §5.3). It asks not to be held
/// to anybody's TLS policy (RFC 8689 §5): a domain with broken TLS has to hear of it.
[[nodiscard]] std::string report_mail(const TlsReport& report, const ReportAuthor& author,
                                      const std::string& recipient, const std::string& compressed,
                                      TimePoint now);

}  // namespace postern::tlspolicy
