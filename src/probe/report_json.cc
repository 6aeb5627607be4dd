#include "probe/recognise.h"
#include "probe/report.h"

#include <boost/json.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

namespace postern::probe {
namespace {

namespace json = boost::json;

std::string time_text(TimePoint when) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(when)));
}

json::array strings(const std::vector<std::string>& list) {
  json::array out;
  for (const std::string& text : list) out.emplace_back(text);
  return out;
}

json::object exchange(const Exchange& seen) {
  json::object out{{"code", seen.code}, {"text", seen.text}, {"ms", seen.elapsed.count()}};
  if (!seen.error.empty()) out["error"] = seen.error;
  return out;
}

json::object tcp(const TcpSeen& seen) {
  json::object out{{"outcome", to_string(seen.outcome)}, {"ms", seen.elapsed.count()}};
  if (!seen.icmp.empty()) out["icmp"] = seen.icmp;
  if (seen.sender) out["icmp_from"] = seen.sender->text();
  if (!seen.error.empty()) out["error"] = seen.error;
  return out;
}

json::object banner(const BannerSeen& seen) {
  return {{"outcome", to_string(seen.outcome)},
          {"code", seen.code},
          {"text", seen.text},
          {"protocol", to_string(seen.protocol)},
          {"first_octet_ms", seen.first_octet.count()},
          {"ms", seen.complete.count()},
          {"paused", seen.paused},
          {"masked", seen.masked}};
}

json::object ehlo(const EhloSeen& seen) {
  json::object out = exchange(seen.reply);
  out["name"] = seen.greeting_name;
  out["keywords"] = strings(seen.keywords);
  out["auth"] = strings(seen.mechanisms);
  out["masked"] = seen.masked;
  out["helo_only"] = seen.helo_only;
  return out;
}

json::object tls(const TlsSeen& seen) {
  json::object out{{"outcome", to_string(seen.outcome)}, {"ms", seen.elapsed.count()}};
  if (!seen.error.empty()) out["error"] = seen.error;
  if (!seen.first_octets.empty()) out["first_octets"] = seen.first_octets;
  if (seen.outcome != TlsOutcome::Done) return out;
  out["version"] = seen.version;
  out["old_versions"] = strings(seen.old_versions);
  out["cipher"] = seen.cipher;
  out["group"] = seen.group;
  out["verified"] = seen.verified();
  out["name_matches"] = seen.name_matches;
  out["expired"] = seen.expired;
  out["self_signed"] = seen.self_signed;
  out["verify_errors"] = strings(seen.verify_errors);
  json::array chain;
  for (const CertificateSeen& certificate : seen.chain) {
    chain.push_back(json::object{{"subject", certificate.subject},
                                 {"issuer", certificate.issuer},
                                 {"names", strings(certificate.names)},
                                 {"not_before", time_text(certificate.not_before)},
                                 {"not_after", time_text(certificate.not_after)},
                                 {"key", certificate.key},
                                 {"signature", certificate.signature},
                                 {"weakness", certificate.weakness},
                                 {"sha256", certificate.sha256}});
  }
  out["chain"] = std::move(chain);
  return out;
}

json::array findings(const std::vector<Finding>& list) {
  json::array out;
  for (const Finding& finding : list) {
    json::object entry{
        {"severity", to_string(finding.severity)}, {"step", to_string(finding.step)}, {"what", finding.what}};
    if (finding.failure != Failure::None) entry["failure"] = name_of(finding.failure);
    if (!finding.cause.empty()) entry["cause"] = finding.cause;
    if (!finding.next.empty()) entry["next"] = finding.next;
    out.push_back(std::move(entry));
  }
  return out;
}

json::object endpoint(const EndpointSeen& seen, const EndpointVerdict& verdict) {
  json::object out{{"address", seen.ip.text()},
                   {"port", seen.port},
                   {"mode", seen.implicit_tls ? "implicit-tls" : "starttls"},
                   {"failure", name_of(verdict.failure())},
                   {"exit_code", exit_code(verdict.failure())},
                   {"findings", findings(verdict.findings)},
                   {"tcp", tcp(seen.tcp)}};
  if (seen.banner.outcome != BannerOutcome::NotTried) out["banner"] = banner(seen.banner);
  if (seen.ehlo.tried) out["ehlo"] = ehlo(seen.ehlo);
  if (seen.auth_clear_tried) out["auth_in_clear"] = exchange(seen.auth_clear);
  if (seen.starttls.tried) {
    out["starttls"] =
        json::object{{"offered", seen.starttls.offered}, {"reply", exchange(seen.starttls.reply)}};
  }
  if (seen.tls.outcome != TlsOutcome::NotTried) out["tls"] = tls(seen.tls);
  if (seen.dane != DaneState::NotChecked) out["dane"] = to_string(seen.dane);
  if (seen.ehlo_tls.tried) out["ehlo_tls"] = ehlo(seen.ehlo_tls);
  if (seen.relay.tried) {
    out["relay"] = json::object{{"open", seen.relay.accepted()}, {"mail", exchange(seen.relay.mail)}};
    if (seen.relay.recipient.code != 0)
      out["relay"].as_object()["recipient"] = exchange(seen.relay.recipient);
  }
  if (seen.login.tried || !seen.login.refused_by_us.empty()) {
    out["login"] = json::object{{"mechanism", seen.login.mechanism},
                                {"reply", exchange(seen.login.reply)},
                                {"not_tried_because", seen.login.refused_by_us}};
  }
  if (seen.message.tried) {
    out["message"] =
        json::object{{"failed_at", seen.message.failed_at}, {"reply", exchange(seen.message.reply)}};
  }
  return out;
}

json::object domain(const DomainSeen& seen) {
  json::array hosts;
  for (const ServiceHost& host : seen.hosts) {
    hosts.push_back(json::object{{"host", host.host}, {"port", host.port}, {"source", host.source}});
  }
  return {{"domain", seen.domain},
          {"hosts", std::move(hosts)},
          {"notes", strings(seen.notes)},
          {"mta_sts", to_string(seen.mta_sts)},
          {"mta_sts_mx", strings(seen.mta_sts_mx)}};
}

}  // namespace

std::string to_json(const CheckSeen& seen, const Verdict& verdict, const std::string& explanation) {
  json::object out{{"started", time_text(seen.started)},
                   {"ms", seen.elapsed.count()},
                   {"ok", verdict.failure == Failure::None},
                   {"failure", name_of(verdict.failure)},
                   {"exit_code", exit_code(verdict.failure)},
                   {"summary", verdict.summary},
                   {"cause", verdict.cause},
                   {"next", verdict.next},
                   {"findings", findings(verdict.host_findings)}};
  if (!explanation.empty()) out["explain"] = explanation;
  if (seen.domain) out["domain"] = domain(*seen.domain);
  json::array hosts;
  for (std::size_t i = 0; i < seen.hosts.size(); ++i) {
    const HostSeen& host = seen.hosts[i];
    json::array addresses;
    for (const net::IpAddress& ip : host.dns.ips) addresses.emplace_back(ip.text());
    json::array endpoints;
    for (std::size_t e = 0; e < host.endpoints.size(); ++e) {
      endpoints.push_back(endpoint(host.endpoints[e], verdict.endpoints[i][e]));
    }
    hosts.push_back(json::object{{"host", host.dns.name},
                                 {"dns", json::object{{"outcome", to_string(host.dns.outcome)},
                                                      {"dnssec", to_string(host.dns.dnssec)},
                                                      {"error", host.dns.error},
                                                      {"addresses", std::move(addresses)},
                                                      {"ms", host.dns.elapsed.count()}}},
                                 {"endpoints", std::move(endpoints)}});
  }
  out["hosts"] = std::move(hosts);
  return json::serialize(out);
}

}  // namespace postern::probe
