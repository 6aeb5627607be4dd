#pragma once

#include "base/options.h"

#include <chrono>
#include <string>
#include <tuple>

namespace postern::tlspolicy {

/// The table [tls_policies].
struct Options {
  bool dane = true;
  bool mta_sts = true;
  std::string ca_file;

  static auto fields() {
    return std::tuple{
        field(
            "dane", &Options::dane, Reload::Restart,
            "Where DNSSEC vouches for TLSA records of an MX host, only what they name gets mail (RFC 7672). "
            "Needs dns.dnssec."),
        field("mta_sts", &Options::mta_sts, Reload::Restart,
              "The MTA-STS policies of domains are fetched and obeyed (RFC 8461)."),
        field("ca_file", &Options::ca_file, Reload::Restart,
              "PEM file of the CAs that MX hosts and MTA-STS web servers are verified with; empty: the "
              "system's."),
    };
  }
};

}  // namespace postern::tlspolicy
