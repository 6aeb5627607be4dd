#include "probe/endpoint_judge.h"
#include "probe/recognise.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace postern::probe {
namespace {

constexpr std::chrono::hours kExpiresSoon{14 * 24};

std::string day_of(TimePoint when) {
  return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::chrono::system_clock::to_time_t(when)));
}

}  // namespace

bool EndpointJudge::starttls() {
  const StartTlsSeen& tls = seen_.starttls;
  if (!tls.tried) return false;
  if (!tls.offered) {
    no_starttls();
    return tls.reply.code == 220;
  }
  if (tls.reply.code == 220) return true;
  if (tls.reply.error == "timeout") {
    fault(Failure::TimedOut, Step::StartTls, where() + ": no answer to STARTTLS in time",
          "a middlebox swallows the command, or the server hangs", "use 465, or another network");
    return false;
  }
  fault(Failure::StartTlsRefused, Step::StartTls,
        fmt::format(
            "{} offers STARTTLS and refuses it: {}", where(),
            tls.reply.code != 0 ? fmt::format("{} {}", tls.reply.code, tls.reply.text) : tls.reply.error),
        tls.reply.code == 454
            ? "TLS is broken on the server at the moment: usually a certificate or key that cannot be "
              "read"
            : "the server's TLS is not set up, or a middlebox blocks the command",
        "look into the server's log; on the server check certificate and key files and their rights");
  return false;
}

void EndpointJudge::no_starttls() {
  const StartTlsSeen& tls = seen_.starttls;
  const bool accepted = tls.reply.code == 220;
  const EndpointSeen* better = nullptr;
  for (const EndpointSeen& other : others_) {
    if (other.starttls.offered && other.port == seen_.port && other.ip != seen_.ip) better = &other;
  }
  std::string evidence;
  if (accepted) evidence = "the command works all the same";
  if (seen_.ehlo.masked) evidence = "the EHLO reply has keywords overwritten with X";
  if (seen_.banner.masked) evidence = "the banner is overwritten with stars";
  if (tls.wanted) evidence = "the server itself asks for it: " + tls.wanted_text;
  if (better != nullptr) evidence = better->ip.text() + " offers it";
  if (!evidence.empty()) {
    return fault(
        Failure::StartTlsStripped, Step::StartTls,
        fmt::format("{}: STARTTLS is not in the EHLO reply, but {}", where(), evidence),
        "a middlebox between here and the server removes it, to read the mail: a captive network, an "
        "antivirus or a firewall with SMTP inspection. Passwords would go through it in clear text",
        "do not log in over this network on this port; use 465 (implicit TLS), which cannot be stripped, or "
        "another network; on your own firewall turn SMTP inspection off");
  }
  const bool tls_elsewhere = std::any_of(others_.begin(), others_.end(), [&](const EndpointSeen& other) {
    return other.port != seen_.port && other.tls.outcome == TlsOutcome::Done;
  });
  tls_fault(
      Failure::NoStartTls, Step::StartTls,
      fmt::format(
          "{} does not offer STARTTLS{}", where(),
          tls.reply.code != 0 ? fmt::format(" and refuses it ({} {})", tls.reply.code, tls.reply.text) : ""),
      tls_elsewhere
          ? "it was removed on the way (the same host has TLS on another port), or TLS is not set up for "
            "this port"
          : "the server has no certificate set up for this port, or a middlebox removes the offer and the "
            "command",
      "compare with the view from another network; on the server set up TLS for this port, or use 465");
}

bool EndpointJudge::tls() {
  const TlsSeen& tls = seen_.tls;
  switch (tls.outcome) {
    case TlsOutcome::Done:
      return true;
    case TlsOutcome::NotTried:
      return false;
    case TlsOutcome::PeerSpokeClear:
      if (seen_.implicit_tls && tls.protocol == Protocol::Smtp) {
        fault(Failure::WrongTlsMode, Step::Tls,
              fmt::format("{} speaks SMTP in clear text where TLS is expected at once: {}", where(),
                          tls.first_octets),
              "the port was set up for STARTTLS (as 587), but 465 is for implicit TLS; clients set to "
              "SSL/TLS fail with "
              "\"wrong version number\"",
              "set the server to implicit TLS on 465 (Postfix: smtpd_tls_wrappermode=yes for submissions), "
              "or clients "
              "to STARTTLS on 587");
      } else {
        fault(Failure::OtherProtocol, Step::Tls,
              fmt::format("{} answers a TLS hello with {}: {}", where(), to_string(tls.protocol),
                          tls.first_octets),
              "another service listens there, or a middlebox cuts in", "check host and port");
      }
      return false;
    case TlsOutcome::Timeout:
      fault(seen_.implicit_tls ? Failure::NoBanner : Failure::TimedOut, Step::Tls,
            where() + ": no answer to the TLS hello in time",
            "the program behind the port hangs or does not speak TLS, or large packets are lost on the way "
            "(MTU)",
            "try `openssl s_client`; try another network");
      return false;
    case TlsOutcome::Alert:
    case TlsOutcome::Failed:
    case TlsOutcome::Closed:
    case TlsOutcome::Reset:
      break;
  }
  const bool cut = tls.outcome == TlsOutcome::Closed || tls.outcome == TlsOutcome::Reset;
  fault(cut && seen_.implicit_tls && seen_.everything_answers ? Failure::Dropped : Failure::TlsFailed,
        Step::Tls,
        fmt::format("{}: the TLS handshake fails: {}{}", where(), tls.error,
                    tls.outcome == TlsOutcome::Alert ? " (an alert of the server)" : ""),
        cut ? "the server has no usable certificate, or something on the way cuts TLS off"
            : "server and client have no version or cipher in common, or the server's certificate set-up is "
              "broken",
        "look into the server's log; try `openssl s_client`, and --explain for the whole command");
  return false;
}

void EndpointJudge::certificate() {
  const TlsSeen& tls = seen_.tls;
  if (tls.chain.empty()) {
    return fault(Failure::Weak, Step::Tls, where() + " does TLS without any certificate: " + tls.cipher,
                 "an anonymous cipher suite: anybody could be the other side",
                 "give the server a certificate and take anonymous ciphers (aNULL) away");
  }
  const CertificateSeen& leaf = tls.chain.front();
  const std::string day = day_of(leaf.not_after);
  if (tls.expired) {
    const bool is_leaf = leaf.not_after < options_.now;
    tls_fault(Failure::CertificateExpired, Step::Tls,
              where() + (is_leaf ? ": the certificate expired on " + day
                                 : ": a certificate of the chain is expired"),
              is_leaf ? "its renewal failed, or the server was not reloaded after it"
                      : "the server sends an old intermediate certificate",
              "renew it (certbot renew), then reload the mail server; check with `postern check` again");
  }
  if (tls.not_yet_valid) {
    tls_fault(Failure::CertificateExpired, Step::Tls, where() + ": the certificate is not valid yet",
              "a clock is wrong: this machine's, or the one where it was made", "check the clocks");
  }
  if (!tls.name_matches) certificate_name();
  certificate_trust();
  certificate_strength();
}

void EndpointJudge::certificate_name() {
  const CertificateSeen& leaf = seen_.tls.chain.front();
  const std::string names = leaf.names.empty() ? "no name at all (subject " + leaf.subject + ")"
                                               : fmt::format("{}", fmt::join(leaf.names, ", "));
  if (net::IpAddress::parse(seen_.host)) {  // nobody expects a certificate for an address
    return add(Severity::Warning, Failure::None, Step::Tls,
               fmt::format("{}: checked by address; the certificate is for {}", where(), names),
               "certificates are for names", "check the name that clients use");
  }
  tls_fault(Failure::CertificateName, Step::Tls,
            fmt::format("{}: the certificate is not for {} but for {}", where(), seen_.host, names),
            "clients use another name than the certificate has, or the server sends its default certificate",
            leaf.names.empty()
                ? "make a certificate with subjectAltName " + seen_.host
                : "let clients use " + leaf.names.front() + ", or make a certificate for " + seen_.host);
}

void EndpointJudge::certificate_trust() {
  const TlsSeen& tls = seen_.tls;
  const CertificateSeen& leaf = tls.chain.front();
  if (tls.untrusted || tls.other_chain_error) {
    const bool missing = tls.untrusted && !tls.self_signed && !leaf.self_issued && tls.chain.size() == 1;
    std::string cause = "its issuer (" + leaf.issuer + ") is not trusted by this machine";
    if (tls.self_signed) cause = "the certificate is self-signed";
    if (missing) cause += "; the server sends no intermediate certificate, which is the usual reason";
    if (seen_.everything_answers) cause += "; a middlebox on the way answers in place of the server";
    tls_fault(
        Failure::CertificateUntrusted, Step::Tls,
        fmt::format("{}: the certificate is not trusted: {}", where(), fmt::join(tls.verify_errors, "; ")),
        cause,
        tls.self_signed
            ? "get a certificate from a public authority (Let's Encrypt), or give clients this one; "
              "here: --ca-file"
            : "let the server send the whole chain (fullchain.pem); for a private authority here: "
              "--ca-file");
  }
}

void EndpointJudge::certificate_strength() {
  const TlsSeen& tls = seen_.tls;
  const CertificateSeen& leaf = tls.chain.front();
  for (const CertificateSeen& certificate : tls.chain) {
    if (certificate.weakness.empty()) continue;
    fault(Failure::Weak, Step::Tls,
          fmt::format("{}: the certificate of {} is too weak: {}", where(), certificate.subject,
                      certificate.weakness),
          "an old certificate; current clients refuse it", "make a new one: RSA 2048 or EC P-256, SHA-256");
    break;
  }
  constexpr int kLeastCipherBits = 128;
  if (tls.is_old()) {
    fault(Failure::Weak, Step::Tls, where() + " speaks only " + tls.version,
          "an old TLS library or configuration; RFC 8996 forbids it and current clients refuse it",
          "allow TLS 1.2 and 1.3 on the server");
  } else if (tls.cipher_bits < kLeastCipherBits) {
    fault(Failure::Weak, Step::Tls, where() + " chose a weak cipher: " + tls.cipher, "an old cipher list",
          "allow AEAD ciphers with forward secrecy (RFC 9325 §4.2)");
  }
  if (!tls.old_versions.empty()) {
    add(Severity::Warning, Failure::None, Step::Tls,
        fmt::format("{} also accepts {}", where(), fmt::join(tls.old_versions, " and ")),
        "an old TLS configuration; RFC 8996 forbids versions below 1.2, and audits count them as a fault",
        "allow TLS 1.2 and 1.3 only (Postfix: smtpd_tls_protocols = >=TLSv1.2; Exim: openssl_options; "
        "Dovecot: "
        "ssl_min_protocol)");
  }
  if (!tls.expired && leaf.not_after - options_.now < kExpiresSoon && leaf.not_after > options_.now) {
    add(Severity::Warning, Failure::None, Step::Tls,
        where() + ": the certificate expires soon, on " + day_of(leaf.not_after),
        "the renewal has not run yet", "see that it is renewed and the server reloaded");
  }
}

void EndpointJudge::dane() {
  if (seen_.dane == DaneState::Mismatch) {
    fault(
        Failure::DaneMismatch, Step::Tls,
        fmt::format("{}: the certificate is not one that the TLSA records of _{}._tcp.{} name", where(),
                    seen_.port, seen_.host),
        "the certificate was renewed and the TLSA record was not, or somebody answers in place of the server",
        "publish a TLSA record for the new key before using it");
  }
  if (seen_.dane == DaneState::Matches) {
    add(Severity::Note, Failure::None, Step::Tls,
        where() + ": the certificate is one that its TLSA records name (DANE)");
  }
  if (seen_.dane == DaneState::Bogus) {
    fault(Failure::DnssecBogus, Step::Tls,
          fmt::format("the TLSA records of _{}._tcp.{} do not validate", seen_.port, seen_.host),
          "their signatures are expired or broken, or somebody changes the answer",
          "senders that honour DANE hold their mail: repair the zone's signatures");
  }
  if (seen_.dane == DaneState::LookupFailed) {
    add(Severity::Warning, Failure::None, Step::Tls,
        fmt::format("DNS does not say whether _{}._tcp.{} has TLSA records", seen_.port, seen_.host),
        "a name server that does not know the type, or does not answer",
        "senders that honour DANE hold their mail: let the name servers answer");
  }
  if (seen_.dane == DaneState::Unusable) {
    add(Severity::Warning, Failure::None, Step::Tls,
        "there are TLSA records, and none of a kind that mail can use",
        "usages 0 and 1 do not count for mail (RFC 7672 §3.1.3)",
        "publish \"3 1 1\", the SHA-256 of the public key");
  }
  if (seen_.dane == DaneState::NotSecure) {
    add(Severity::Note, Failure::None, Step::Tls,
        "there are TLSA records, but without DNSSEC: they do not count",
        "the zone is not signed, or the resolver here does not validate", "sign the zone");
  }
}

}  // namespace postern::probe
