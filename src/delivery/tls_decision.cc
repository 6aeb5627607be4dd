#include "delivery/tls_decision.h"

#include "delivery/map.h"
#include "delivery/next_hop.h"
#include "dns/txt_soon.h"
#include "mail/header.h"
#include "mail/idna.h"
#include "tlspolicy/dane.h"
#include "tlspolicy/report_uris.h"

#include <algorithm>
#include <utility>

namespace postern::delivery {
namespace {

/// Mail does not wait longer to know whether somebody wants a report.
constexpr std::chrono::seconds kTxtPatience{2};

using StsMode = tlspolicy::StsPolicy::Mode;

/// Which option decides when nobody else does.
std::string configured_by(const NextHop& hop) {
  if (hop.relay != nullptr) return "smarthost." + hop.budget.substr(hop.budget.find(' ') + 1) + ".tls";
  return hop.route_decides_tls ? "route " + hop.route : "delivery.tls";
}

const std::shared_ptr<net::TlsClient>& client_for(const Map& map, TlsPolicy policy) {
  return map.other_manners.at(policy).tls_client;
}

bool is_address(const std::string& host) {
  return host.starts_with('[') || net::IpAddress::parse(host).has_value();
}

std::vector<std::string> lines_of(std::string_view text) {
  constexpr std::size_t kMost = 100;
  constexpr std::size_t kLongest = 300;
  std::vector<std::string> out;
  while (!text.empty() && out.size() < kMost) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string line;
    for (const char c : text.substr(0, std::min(end, kLongest))) {
      if (c != '\r') line += c >= ' ' && c <= '~' ? c : '?';
    }
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty()) out.push_back(std::move(line));
  }
  return out;
}

tlspolicy::AppliedPolicy applied_sts(const DestinationTls& tls) {
  return {"sts", lines_of(tls.sts->text), tls.domain, tls.sts_policy()->mx};
}

tlspolicy::AppliedPolicy applied_tlsa(const DestinationTls& tls, const net::TlsPeer& peer) {
  tlspolicy::AppliedPolicy applied{"tlsa", {}, tls.domain, {peer.name}};
  for (const net::TlsaRecord& record : peer.tlsa) applied.lines.push_back(tlspolicy::to_text(record));
  return applied;
}

TlsDecision by_configuration(const NextHop& hop) {
  TlsDecision decision;
  decision.policy = hop.manners->tls;
  decision.client = hop.manners->tls_client;
  decision.reason = configured_by(hop);
  decision.applied.domain = hop.tls.domain;
  if (hop.tls.sts_policy() != nullptr) {  // it is being tested
    decision.applied = applied_sts(hop.tls);
    decision.reason += ", mta-sts testing";
  }
  return decision;
}

/// RFC 8461 §4, §5: what an enforced policy asks of this host, or nothing.
Result<std::optional<TlsDecision>> by_mta_sts(const Map& map, const NextHop& hop, const Target& target) {
  const tlspolicy::StsPolicy* const policy = hop.tls.sts_policy();
  if (policy == nullptr || policy->mode != StsMode::Enforce) return std::optional<TlsDecision>();
  if (!policy->names(target.host))
    return fail(Errc::Denied, "the MTA-STS policy of " + hop.tls.domain + " does not name this host");
  TlsDecision decision;
  decision.policy = TlsPolicy::Required;
  decision.client = client_for(map, TlsPolicy::Required);
  decision.reason = hop.tls.sts->cached ? "mta-sts enforce, cached" : "mta-sts enforce";
  decision.host_vouched_for = true;
  decision.applied = applied_sts(hop.tls);
  return std::optional(std::move(decision));
}

}  // namespace

std::string DestinationTls::key() const {
  if (domain.empty()) return {};
  std::string out = " for " + domain;
  if (dane) out += " dnssec";
  if (sts_policy() != nullptr) out += " sts " + std::to_string(std::hash<std::string>{}(sts->text));
  return out;
}

TlsWish tls_wish(const smtp::Envelope& envelope, std::string_view content) {
  if (envelope.params.handling.require_tls && !envelope.reverse_path.empty()) return TlsWish::Protected;
  // Every message comes by here, so the header is not taken apart.
  constexpr std::string_view kName = "TLS-Required:";
  while (!content.empty()) {
    std::string_view line = content.substr(0, content.find("\r\n"));
    if (line.empty()) break;
    content.remove_prefix(std::min(line.size() + 2, content.size()));
    if (!mail::same_name(line.substr(0, kName.size()), kName)) continue;
    line.remove_prefix(kName.size());
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    return mail::same_name(line, "no") ? TlsWish::Waived : TlsWish::OfDomain;
  }
  return TlsWish::OfDomain;
}

net::Task<DestinationTls> TlsPolicies::of_destination(std::string domain, const HostList& hosts,
                                                      std::optional<TlsPolicy> tls) {
  DestinationTls out;
  const Result<std::string> name = mail::to_ascii(domain);
  if (!name || domain.starts_with('[')) co_return out;
  const TlsPolicy configured = tls.value_or(map_.manners.tls);
  if (configured == TlsPolicy::None) co_return out;
  if (tls && *tls != TlsPolicy::Dane) co_return out;  // the operator knows better
  out.canonical = hosts.canonical.empty() ? *name : hosts.canonical;
  out.dane = hosts.secure && (map_.dane || configured == TlsPolicy::Dane);
  if (mta_sts_ != nullptr && !tls) {
    tlspolicy::StsFinding found = co_await mta_sts_->policy_of(loop_, resolver_, *name);
    if (found.policy || found.problem != tlspolicy::StsProblem::None)
      out.sts = std::make_shared<const tlspolicy::StsFinding>(std::move(found));
  }
  if (reports_) {
    const Result<std::vector<std::string>> txt =
        co_await dns::txt_soon(loop_, resolver_, "_smtp._tls." + *name, kTxtPatience);
    out.reported = txt && !tlspolicy::parse_report_uris(*txt).empty();
  }
  // Names that count beside the host's (RFC 7672 §3.2.2), policies and reports are of one domain.
  if (out.dane || out.sts_policy() != nullptr || out.reported) out.domain = *name;
  co_return out;
}

/// RFC 7672 §2.2.
net::Task<Result<std::optional<TlsDecision>>> TlsPolicies::by_dane(const NextHop& hop, const Target& target) {
  std::optional<TlsDecision> decision;
  const bool relay = hop.relay != nullptr && hop.manners->tls == TlsPolicy::Dane;
  const bool insists = hop.manners->tls == TlsPolicy::Dane;
  if ((hop.tls.dane || relay) && !is_address(target.host)) {
    tlspolicy::Dane dane = co_await tlspolicy::look_up_dane(resolver_, target.host, target.endpoint.port);
    if (dane.state == tlspolicy::Dane::State::Failed) co_return fail(Errc::Unavailable, dane.why);
    if (dane.state != tlspolicy::Dane::State::NotApplicable) {
      decision.emplace();
      const bool usable = dane.state == tlspolicy::Dane::State::Usable;
      decision->policy = TlsPolicy::Required;
      decision->client = client_for(map_, usable ? TlsPolicy::Dane : TlsPolicy::Opportunistic);
      decision->reason = usable ? "dane" : "dane, no usable TLSA record";
      decision->host_vouched_for = true;
      decision->applied = applied_tlsa(hop.tls, dane.peer);
      decision->peer = std::move(dane.peer);
      for (const std::string& name : {target.host, hop.tls.domain, hop.tls.canonical}) {
        if (!name.empty() && name != decision->peer->name) decision->peer->other_names.push_back(name);
      }
      if (!usable && insists) co_return fail(Errc::Denied, "none of its TLSA records is usable");
      co_return decision;
    }
  }
  if (insists) co_return fail(Errc::Denied, "it has no TLSA record that DNSSEC vouches for");
  co_return decision;
}

/// RFC 8689 §4.2.1: the host is known for sure to be one of the domain's, and has to prove its name.
Result<TlsDecision> TlsPolicies::protect(const NextHop& hop, TlsDecision decision) const {
  const bool strict = decision.policy == TlsPolicy::Required || decision.policy == TlsPolicy::Dane;
  if (hop.relay != nullptr) {
    if (!strict) return fail(Errc::Denied, "REQUIRETLS needs " + configured_by(hop) + " = \"required\"");
    return decision;
  }
  if (decision.policy == TlsPolicy::None)
    return fail(Errc::Denied, "REQUIRETLS, but " + configured_by(hop) + " is \"none\"");
  if (!decision.host_vouched_for && !hop.hosts.secure && !hop.hosts.implicit)
    return fail(Errc::Denied, "REQUIRETLS, but neither DNSSEC nor an MTA-STS policy vouches for this host");
  decision.reason += ", requiretls";
  if (strict && decision.client != client_for(map_, TlsPolicy::Opportunistic)) return decision;
  decision.policy = TlsPolicy::Required;
  decision.client = client_for(map_, TlsPolicy::Required);
  return decision;
}

net::Task<Result<TlsDecision>> TlsPolicies::of_host(const NextHop& hop, const Target& target) {
  Result<TlsDecision> decision = co_await by_wishes(hop, target);
  if (decision && hop.wish == TlsWish::Protected) co_return protect(hop, *std::move(decision));
  co_return decision;
}

net::Task<Result<TlsDecision>> TlsPolicies::by_wishes(const NextHop& hop, const Target& target) {
  if (hop.manners->tls == TlsPolicy::None) co_return by_configuration(hop);
  Result<std::optional<TlsDecision>> dane = co_await by_dane(hop, target);
  if (!dane) co_return dane.error();
  if (*dane) co_return **std::move(dane);
  Result<std::optional<TlsDecision>> sts = by_mta_sts(map_, hop, target);
  if (!sts) co_return sts.error();
  if (*sts) co_return **std::move(sts);
  co_return by_configuration(hop);
}

}  // namespace postern::delivery
