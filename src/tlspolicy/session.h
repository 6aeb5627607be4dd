#pragma once

#include "base/clock.h"

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postern::tlspolicy {

/// What became of TLS in one session (the result types of RFC 8460 §4.3).
enum class TlsResult : std::uint8_t {
  Success,
  StartTlsNotSupported,
  CertificateHostMismatch,
  CertificateExpired,
  CertificateNotTrusted,
  ValidationFailure,
  TlsaInvalid,
  DnssecInvalid,
  DaneRequired,
  StsPolicyFetchError,
  StsPolicyInvalid,
  StsWebPkiInvalid,
};
/// "starttls-not-supported"; "success" for Success.
[[nodiscard]] const char* to_string(TlsResult result);

/// The policy that a session was held to (RFC 8460 §4.4, §4.5).
struct AppliedPolicy {
  std::string type = "no-policy-found";  ///< or "tlsa", "sts"
  std::vector<std::string> lines;        ///< TLSA records or lines of the MTA-STS policy, as text
  std::string domain;                    ///< of the recipients, in A-labels
  std::vector<std::string> mx_hosts;     ///< the patterns of MTA-STS, or the TLSA base domain
};

/// One session with a mail host, or the reason why there was none.
struct SessionResult {
  TimePoint time;
  AppliedPolicy policy;
  TlsResult result = TlsResult::Success;
  std::string mx_host;
  std::string mx_ip;       ///< empty: nobody was asked
  std::string sending_ip;  ///< empty: nobody was asked
  std::string reason;      ///< in words, for failures
};

}  // namespace postern::tlspolicy
