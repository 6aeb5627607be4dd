#include "probe/recognise.h"
#include "probe/report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace postern::probe {
namespace {

std::string day(TimePoint when) {
  return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::chrono::system_clock::to_time_t(when)));
}

std::string time_text(Elapsed elapsed) { return fmt::format("{} ms", elapsed.count()); }

std::string answer(const Exchange& exchange) {
  if (exchange.code == 0) return exchange.error;
  return fmt::format("{} {}", exchange.code, exchange.text);
}

std::string tcp_text(const TcpSeen& tcp) {
  std::string out = to_string(tcp.outcome);
  if (!tcp.icmp.empty())
    out += " (ICMP " + tcp.icmp + (tcp.sender ? " from " + tcp.sender->text() : "") + ')';
  return out + ", " + time_text(tcp.elapsed);
}

std::string banner_text(const BannerSeen& banner) {
  switch (banner.outcome) {
    case BannerOutcome::Ready:
    case BannerOutcome::Refused:
      return fmt::format("{} {}, {}", banner.code, banner.text, time_text(banner.complete));
    case BannerOutcome::OtherProtocol:
      return fmt::format("{}{}, {}", to_string(banner.protocol),
                         banner.text.empty() ? "" : ": " + banner.text, time_text(banner.complete));
    default:
      return fmt::format("{}, {}", to_string(banner.outcome), time_text(banner.complete));
  }
}

std::string ehlo_text(const EhloSeen& ehlo) {
  if (ehlo.helo_only) return "refused (" + answer(ehlo.reply) + "), HELO works";
  if (ehlo.reply.code / 100 != 2) return answer(ehlo.reply);
  std::string out;
  for (const std::string& keyword : ehlo.keywords) out += (out.empty() ? "" : ", ") + keyword;
  return fmt::format("{}, {}", out.empty() ? "no extensions" : out, time_text(ehlo.reply.elapsed));
}

std::string tls_text(const TlsSeen& tls) {
  if (tls.outcome == TlsOutcome::PeerSpokeClear) return "no TLS, but: " + tls.first_octets;
  if (tls.outcome != TlsOutcome::Done) return fmt::format("{}: {}", to_string(tls.outcome), tls.error);
  std::string out = fmt::format("{} {}", tls.version, tls.cipher);
  if (!tls.chain.empty()) {
    const CertificateSeen& leaf = tls.chain.front();
    out += fmt::format(", {} ({}) until {}",
                       leaf.names.empty() ? leaf.subject : fmt::format("{}", fmt::join(leaf.names, " ")),
                       leaf.key, day(leaf.not_after));
  }
  out += tls.verified() ? ", verified" : ", NOT verified";
  return out + ", " + time_text(tls.elapsed);
}

std::string auth_text(const EndpointSeen& seen) {
  const auto list = [](const std::vector<std::string>& mechanisms) {
    return mechanisms.empty() ? std::string("none") : fmt::format("{}", fmt::join(mechanisms, " "));
  };
  if (seen.implicit_tls) return list(seen.ehlo_tls.mechanisms);
  return fmt::format("before TLS: {}; under TLS: {}", list(seen.ehlo.mechanisms),
                     list(seen.ehlo_tls.mechanisms));
}

std::string relay_text(const RelaySeen& relay) {
  if (relay.accepted()) return "OPEN: " + answer(relay.recipient);
  return "closed: " + answer(relay.mail.code / 100 == 2 ? relay.recipient : relay.mail);
}

std::string text_of(const EndpointSeen& seen, Step step) {
  switch (step) {
    case Step::Dns:
      return {};
    case Step::Tcp:
      return tcp_text(seen.tcp);
    case Step::Banner:
      return banner_text(seen.banner);
    case Step::Ehlo:
      return ehlo_text(seen.ehlo);
    case Step::StartTls:
      return (seen.starttls.offered ? "offered: " : "NOT offered, asked all the same: ") +
             answer(seen.starttls.reply);
    case Step::Tls:
      return tls_text(seen.tls);
    case Step::EhloTls:
      return ehlo_text(seen.ehlo_tls);
    case Step::Auth:
      return auth_text(seen);
    case Step::Relay:
      return relay_text(seen.relay);
    case Step::Login:
      return seen.login.refused_by_us.empty() ? seen.login.mechanism + ": " + answer(seen.login.reply)
                                              : "not tried: " + seen.login.refused_by_us;
    case Step::Message:
      return seen.message.failed_at.empty()
                 ? "accepted: " + answer(seen.message.reply)
                 : "refused at " + seen.message.failed_at + ": " + answer(seen.message.reply);
  }
  return {};
}

void append_finding(std::string& out, const Finding& finding, const std::string& already_said) {
  if (finding.what == already_said) return;
  const char* const mark = finding.severity == Severity::Fault
                               ? "fault"
                               : (finding.severity == Severity::Warning ? "warning" : "note");
  out += fmt::format("  {}: {}\n", mark, finding.what);
  if (!finding.cause.empty()) out += fmt::format("    cause: {}\n", finding.cause);
  if (!finding.next.empty()) out += fmt::format("    do:    {}\n", finding.next);
}

}  // namespace

std::string step_line(const EndpointSeen& seen, Step step) {
  return fmt::format("{:<5} {:<15} {:<9} {}", seen.port, seen.ip.text(), to_string(step),
                     text_of(seen, step));
}

std::string dns_line(const DnsSeen& seen) {
  if (seen.outcome == DnsOutcome::NotNeeded) return {};
  std::string out = fmt::format("dns   {}: {}", seen.name, to_string(seen.outcome));
  for (const net::IpAddress& ip : seen.ips) out += ' ' + ip.text();
  if (!seen.error.empty()) out += " (" + seen.error + ')';
  return out + ", " + time_text(seen.elapsed);
}

std::string verdict_line(const Verdict& verdict) {
  if (verdict.failure == Failure::None) return "OK: " + verdict.summary;
  return fmt::format("{}: {}", name_of(verdict.failure), verdict.summary);
}

std::string verdict_text(const CheckSeen& seen, const Verdict& verdict) {
  std::string out = "\n" + verdict_line(verdict) + '\n';
  if (!verdict.cause.empty()) out += "  likely cause: " + verdict.cause + '\n';
  if (!verdict.next.empty()) out += "  next: " + verdict.next + '\n';
  if (seen.domain) {
    for (const ServiceHost& host : seen.domain->hosts)
      out += fmt::format("  found by {}: {}:{}\n", host.source, host.host, host.port);
    for (const std::string& note : seen.domain->notes) out += "  " + note + '\n';
    out += fmt::format("  MTA-STS for {}: {}\n", seen.domain->domain, to_string(seen.domain->mta_sts));
  }
  std::string others;
  for (const Finding& finding : verdict.host_findings) append_finding(others, finding, verdict.summary);
  for (std::size_t i = 0; i < verdict.endpoints.size(); ++i) {
    for (const EndpointVerdict& endpoint : verdict.endpoints[i]) {
      for (const Finding& finding : endpoint.findings) append_finding(others, finding, verdict.summary);
    }
    const DnsSeen& dns = seen.hosts[i].dns;
    if (dns.dnssec != DnssecState::NotChecked)
      out += fmt::format("  DNSSEC for {}: {}\n", dns.name, to_string(dns.dnssec));
  }
  if (!others.empty()) out += "Also:\n" + others;
  return out;
}

}  // namespace postern::probe
