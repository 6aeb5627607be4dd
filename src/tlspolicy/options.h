#pragma once

#include "base/options.h"
#include "base/result.h"

#include <chrono>
#include <string>
#include <string_view>
#include <tuple>

namespace postern::tlspolicy {

/// The table [tls_policies].
struct Options {
  bool dane = true;
  bool mta_sts = true;
  std::string ca_file;
  bool reports = true;
  std::string report_organization;
  std::string report_contact;
  std::chrono::seconds report_spread{4 * 3600};

  /// Whether the value of `key` can be meant. Malformed: why not.
  [[nodiscard]] Result<> check(std::string_view key) const {
    const std::size_t at = report_contact.rfind('@');
    const bool address = at != std::string::npos && at > 0 && at + 1 < report_contact.size() &&
                         report_contact.find_first_of(" <>,\r\n\t") == std::string::npos;
    if (key == "report_contact" && !report_contact.empty() && !address)
      return fail(Errc::Malformed,
                  "must be an address such as postmaster@example.org: \"" + report_contact + "\"");
    return {};
  }

  static auto fields() {
    return std::tuple{
        field(
            "dane", &Options::dane, Reload::Live,
            "Where DNSSEC vouches for TLSA records of an MX host, only what they name gets mail (RFC 7672). "
            "Needs dns.dnssec."),
        field("mta_sts", &Options::mta_sts, Reload::Restart,
              "The MTA-STS policies of domains are fetched and obeyed (RFC 8461)."),
        field("ca_file", &Options::ca_file, Reload::Restart,
              "PEM file of the CAs that MX hosts and MTA-STS web servers are verified with; empty: the "
              "system's."),
        field("reports", &Options::reports, Reload::Restart,
              "Domains that ask for it (_smtp._tls) are told once a day how TLS with their hosts went (RFC "
              "8460)."),
        field("report_organization", &Options::report_organization, Reload::Restart,
              "Who reports, in words; empty: the domain of report_contact."),
        field("report_contact", &Options::report_contact, Reload::Restart,
              "Address that reports come from; its domain needs a key here. Empty: postmaster at the domain "
              "of our "
              "host name that has one."),
        field("report_spread", &Options::report_spread, std::chrono::seconds{0},
              std::chrono::seconds{20 * 3600}, Reload::Restart,
              "The reports of a day leave spread over so much time after its end."),
    };
  }
};

}  // namespace postern::tlspolicy
