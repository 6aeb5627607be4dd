#include "app/setup/records.h"

namespace postern::app {
namespace {

/// Who may send for the domain.
DnsRecord spf(const MailDomain& d) {
  if (d.relay.empty()) {
    return {
        d.domain, "TXT", "v=spf1 a:" + d.hostname + " mx ~all",
        "SPF: who may send for the domain. One record only: if there is one, add a:" + d.hostname + " to it"};
  }
  return {
      d.domain, "TXT", "v=spf1 a:" + d.relay + " mx ~all",
      "SPF: the relay sends for the domain. Its documentation names the include: that belongs here instead "
      "of a:"};
}

}  // namespace

std::vector<DnsRecord> dns_records(const MailDomain& d) {
  return {
      {d.selector + "._domainkey." + d.domain, "TXT",
       d.dkim_record.empty() ? "v=DKIM1; k=rsa; p=<made by setup>" : d.dkim_record,
       "DKIM: verifies our signatures"},
      spf(d),
      {"_dmarc." + d.domain, "TXT", "v=DMARC1; p=none; rua=mailto:" + d.postmaster,
       "DMARC: begin with p=none, read the reports, then p=quarantine and p=reject"},
      {"_submissions._tcp." + d.domain, "SRV", "0 1 465 " + d.hostname + ".",
       "Mail clients find port 465 (TLS)"},
      {"_submission._tcp." + d.domain, "SRV", "10 1 587 " + d.hostname + ".",
       "Mail clients find port 587 (STARTTLS)"},
  };
}

std::string zone_text(const std::string& value) {
  constexpr std::size_t kString = 255;
  std::string out;
  for (std::size_t at = 0; at < value.size(); at += kString)
    out += (at == 0 ? "\"" : " \"") + value.substr(at, kString) + '"';
  return value.size() > kString ? "( " + out + " )" : out;
}

std::string zone_file(const std::vector<DnsRecord>& records) {
  std::string out;
  for (const DnsRecord& record : records) {
    out += "; " + record.why + '\n' + record.name + ". IN " + record.type + ' ' +
           (record.type == "TXT" ? zone_text(record.value) : record.value) + '\n';
  }
  return out;
}

}  // namespace postern::app
