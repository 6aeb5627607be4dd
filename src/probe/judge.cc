#include "probe/endpoint_check.h"
#include "probe/verdict.h"
#include "tlspolicy/sts_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace postern::probe {
namespace {

bool is_extra_port(std::uint16_t port) { return port == 25 || port == 2525; }

/// Not there at all, as against there and wrong.
bool is_absence(Failure failure) {
  switch (failure) {
    case Failure::Refused:
    case Failure::RefusedByFirewall:
    case Failure::Filtered:
    case Failure::Unreachable:
    case Failure::NoRoute:
    case Failure::DeniedHere:
      return true;
    default:
      return false;
  }
}

Finding dns_finding(Failure failure, std::string what, std::string cause, std::string next) {
  return {Severity::Fault, failure, Step::Dns, std::move(what), std::move(cause), std::move(next)};
}

void judge_dns(const DnsSeen& dns, std::vector<Finding>& out) {
  switch (dns.outcome) {
    case DnsOutcome::NotNeeded:
    case DnsOutcome::Found:
      break;
    case DnsOutcome::NoSuchName:
      if (dns.error == kNotADnsName) {
        out.push_back(dns_finding(
            Failure::NoSuchName, dns.name + " is not a DNS name",
            "a typing error: an empty or overlong part between dots, or a character that names cannot have",
            "check the spelling"));
        break;
      }
      out.push_back(dns_finding(Failure::NoSuchName, dns.name + " does not exist in DNS",
                                "a typing error, a domain that ran out, or a record that was never made",
                                "check the spelling; look the name up with `dig " + dns.name + "`"));
      break;
    case DnsOutcome::NoAddress:
      out.push_back(dns_finding(Failure::NoAddress,
                                dns.name + " has no address" + (dns.error.empty() ? "" : ": " + dns.error),
                                "the name has no A or AAAA record (of the kind asked for)",
                                "add an address record, or check the host that MX or SRV names"));
      break;
    case DnsOutcome::Failed:
      out.push_back(dns_finding(Failure::DnsFailed, "DNS has no answer for " + dns.name + ": " + dns.error,
                                "the resolver of this machine cannot be reached or cannot resolve the name",
                                "look at /etc/resolv.conf; try another resolver with --resolver 9.9.9.9"));
      break;
    case DnsOutcome::Timeout:
      out.push_back(
          dns_finding(Failure::DnsFailed, "DNS gave no answer for " + dns.name + " in time",
                      "the resolver of this machine cannot be reached, or the domain's name servers cannot",
                      "look at /etc/resolv.conf; try another resolver with --resolver 9.9.9.9"));
      break;
    case DnsOutcome::Bogus:
      out.push_back(
          dns_finding(Failure::DnssecBogus, "DNSSEC validation fails for " + dns.name + ": " + dns.error,
                      "the zone's signatures are expired or broken, or somebody changes the answer",
                      "the domain's owner must repair DNSSEC; see it with `delv " + dns.name + "`"));
      break;
  }
  if (dns.outcome == DnsOutcome::Found && dns.dnssec == DnssecState::Bogus) {
    out.push_back(
        dns_finding(Failure::DnssecBogus, "DNSSEC validation fails for " + dns.name + ": " + dns.error,
                    "the zone's signatures are expired or broken, or somebody changes the answer",
                    "resolvers that validate do not see this host; the domain's owner must repair DNSSEC"));
  }
}

/// Whether a sender that obeys the policy finds fault with an MX host: the first address where it would.
const EndpointSeen* unverified_mx(const CheckSeen& seen, const std::string& host) {
  for (const HostSeen& each : seen.hosts) {
    if (each.dns.name != host) continue;
    for (const EndpointSeen& endpoint : each.endpoints) {
      const bool answers = endpoint.banner.outcome == BannerOutcome::Ready;
      if (is_relay_port(endpoint.port) && answers && !endpoint.tls.verified() &&
          endpoint.dane != DaneState::Matches)
        return &endpoint;
    }
  }
  return nullptr;
}

void judge_domain(const CheckSeen& seen, std::vector<Finding>& out) {
  if (!seen.domain) return;
  const DomainSeen& domain = *seen.domain;
  if (domain.hosts.empty()) {
    out.push_back(
        dns_finding(Failure::NoService, domain.domain + " names no mail host: " + domain.error,
                    "it has neither SRV records for submission (RFC 6186, RFC 8314) nor MX records",
                    "publish _submissions._tcp." + domain.domain + " SRV 0 1 465 mail." + domain.domain));
  }
  if (domain.mta_sts == MtaStsState::Broken) {
    out.push_back({Severity::Warning, Failure::None, Step::Dns,
                   "the MTA-STS policy of " + domain.domain + " cannot be used: " + domain.mta_sts_error,
                   "the record _mta-sts exists and the policy file does not fit",
                   "serve https://mta-sts." + domain.domain + "/.well-known/mta-sts.txt (RFC 8461 §3.3)"});
  }
  if (domain.mta_sts != MtaStsState::Enforce && domain.mta_sts != MtaStsState::Testing) return;
  tlspolicy::StsPolicy policy;
  policy.mx = domain.mta_sts_mx;
  for (const ServiceHost& host : domain.hosts) {
    if (host.source != "MX") continue;
    if (!policy.names(host.host)) {
      out.push_back(dns_finding(
          Failure::MtaStsMismatch,
          host.host + " is an MX of " + domain.domain + " but not in its MTA-STS policy",
          "the policy was not changed with the MX records",
          "add \"mx: " + host.host + "\" to the policy and change the id of the _mta-sts record"));
    } else if (const EndpointSeen* bad = unverified_mx(seen, host.host)) {
      const bool enforced = domain.mta_sts == MtaStsState::Enforce;
      out.push_back({enforced ? Severity::Fault : Severity::Warning,
                     enforced ? Failure::MtaStsMismatch : Failure::None, Step::Tls,
                     net::Endpoint{bad->ip, bad->port}.text() + " is the MX " + host.host + " of " +
                         domain.domain +
                         ", whose MTA-STS policy asks for TLS with a certificate for that name",
                     "STARTTLS is missing, or the certificate does not verify",
                     "give the host a certificate of a public authority for " + host.host});
    }
  }
}

/// One port of one host over all its addresses.
struct PortState {
  std::uint16_t port = 0;
  int good = 0;
  const Finding* fault = nullptr;  ///< the first
  const EndpointSeen* bad = nullptr;
  const EndpointSeen* fine = nullptr;
};

std::vector<PortState> ports_of(const HostSeen& host, const std::vector<EndpointVerdict>& verdicts) {
  std::vector<PortState> out;
  for (std::size_t i = 0; i < host.endpoints.size(); ++i) {
    const EndpointSeen& endpoint = host.endpoints[i];
    auto at =
        std::find_if(out.begin(), out.end(), [&](const PortState& p) { return p.port == endpoint.port; });
    if (at == out.end()) at = out.insert(out.end(), PortState{.port = endpoint.port});
    const Finding* fault = verdicts[i].fault();
    if (fault == nullptr) {
      ++at->good;
      if (at->fine == nullptr) at->fine = &endpoint;
    } else if (fault->failure == Failure::NoRoute && at->good > 0 && endpoint.ip.is_v6()) {
      continue;  // no IPv6 here: nothing that the server could do about it
    } else if (at->fault == nullptr || is_absence(at->fault->failure)) {
      if (at->fault != nullptr && is_absence(fault->failure)) continue;
      at->fault = fault;
      at->bad = &endpoint;
    }
  }
  return out;
}

void take(Verdict& verdict, Failure failure, const Finding& finding) {
  verdict.failure = failure;
  verdict.summary = finding.what;
  verdict.cause = finding.cause;
  verdict.next = finding.next;
}

/// The most telling of a host's ports; false when all that matters is good.
bool judge_host(const std::vector<PortState>& ports, const JudgeOptions& options, Verdict& verdict) {
  const bool submission_works = std::any_of(
      ports.begin(), ports.end(), [](const PortState& p) { return p.good > 0 && !is_extra_port(p.port); });
  const PortState* worst = nullptr;
  for (const PortState& port : ports) {
    if (port.fault == nullptr) continue;
    const bool absent = is_absence(port.fault->failure) && port.good == 0;
    const bool may_be_absent =
        !options.ports_were_asked_for && (is_extra_port(port.port) || (absent && submission_works));
    if (absent && may_be_absent) continue;
    // What is there and wrong says more than what is not there.
    if (worst == nullptr ||
        (is_absence(worst->fault->failure) && !absent && options.ports_were_asked_for == false)) {
      worst = &port;
    }
  }
  if (worst == nullptr) return false;
  const bool partial = worst->good > 0 && is_absence(worst->fault->failure);
  take(verdict, partial ? Failure::Partial : worst->fault->failure, *worst->fault);
  if (partial) verdict.summary += "; " + net::Endpoint{worst->fine->ip, worst->port}.text() + " works";
  return true;
}

std::string good_summary(const CheckSeen& seen, const std::vector<std::vector<PortState>>& ports) {
  std::string out;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    std::string good;
    std::string absent;
    for (const PortState& port : ports[i]) {
      std::string& list = port.good > 0 ? good : absent;
      list += (list.empty() ? "" : ", ") + std::to_string(port.port);
    }
    out += fmt::format("{}{} is ready on {}{}", out.empty() ? "" : "; ", seen.hosts[i].dns.name,
                       good.empty() ? "no port" : good,
                       absent.empty() ? "" : " (not reachable: " + absent + ")");
  }
  return out;
}

}  // namespace

Verdict judge(const CheckSeen& seen, const JudgeOptions& options) {
  Verdict verdict;
  judge_domain(seen, verdict.host_findings);
  std::vector<std::vector<PortState>> ports;
  for (const HostSeen& host : seen.hosts) {
    judge_dns(host.dns, verdict.host_findings);
    std::vector<EndpointVerdict>& verdicts = verdict.endpoints.emplace_back();
    for (const EndpointSeen& endpoint : host.endpoints) {
      verdicts.push_back(judge_endpoint(endpoint, host.endpoints, options));
    }
  }
  for (std::size_t i = 0; i < seen.hosts.size(); ++i)
    ports.push_back(ports_of(seen.hosts[i], verdict.endpoints[i]));
  for (const Finding& finding : verdict.host_findings) {
    if (finding.severity != Severity::Fault) continue;
    take(verdict, finding.failure, finding);
    return verdict;
  }
  for (const auto& host : ports) {
    if (judge_host(host, options, verdict)) return verdict;
  }
  verdict.summary = good_summary(seen, ports);
  return verdict;
}

}  // namespace postern::probe
