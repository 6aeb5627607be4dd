#include "probe/failure.h"

#include <array>

namespace postern::probe {
namespace {

constexpr std::array kRows{
    FailureRow{Failure::None, "ok", "every step is good (warnings do not count)"},
    FailureRow{Failure::Partial, "partial", "some addresses work and others do not, such as IPv6"},
    FailureRow{Failure::NoSuchName, "no-such-name", "the name does not exist in DNS"},
    FailureRow{Failure::NoAddress, "no-address", "the name exists without an address of the kind asked for"},
    FailureRow{Failure::DnsFailed, "dns-failed", "DNS gave no answer, or an error"},
    FailureRow{Failure::DnssecBogus, "dnssec-bogus", "the DNS answer is not signed as its zone says"},
    FailureRow{Failure::NoService, "no-service", "--from-domain: the domain names no mail host"},
    FailureRow{Failure::Refused, "refused", "refused by a reset: nothing listens on the port"},
    FailureRow{Failure::RefusedByFirewall, "refused-by-firewall", "refused by an ICMP message: a firewall"},
    FailureRow{Failure::Filtered, "filtered", "no answer at all: dropped by a firewall, or nobody there"},
    FailureRow{Failure::Unreachable, "unreachable",
               "host or network unreachable, says a router or the last hop"},
    FailureRow{Failure::NoRoute, "no-route", "this machine has no route to such an address"},
    FailureRow{Failure::DeniedHere, "denied-here", "this machine's own rules forbid the connection"},
    FailureRow{Failure::Dropped, "dropped", "the connection opens and is closed or reset before a banner"},
    FailureRow{Failure::NoBanner, "no-banner", "the connection opens and nothing is said"},
    FailureRow{Failure::OtherProtocol, "other-protocol", "something else than SMTP answers, such as HTTP"},
    FailureRow{Failure::WrongTlsMode, "wrong-tls-mode",
               "TLS on a STARTTLS port, or clear text on a TLS port"},
    FailureRow{Failure::ServiceRefused, "service-refused", "the banner refuses service (421, 554)"},
    FailureRow{Failure::EhloRefused, "ehlo-refused", "EHLO is refused or ends the connection"},
    FailureRow{Failure::NoStartTls, "no-starttls", "STARTTLS is not offered"},
    FailureRow{Failure::StartTlsStripped, "starttls-stripped", "STARTTLS is removed on the way"},
    FailureRow{Failure::StartTlsRefused, "starttls-refused", "STARTTLS is offered and then refused"},
    FailureRow{Failure::TlsFailed, "tls-failed", "the TLS handshake fails"},
    FailureRow{Failure::CertificateExpired, "certificate-expired",
               "the certificate is expired or not yet valid"},
    FailureRow{Failure::CertificateName, "certificate-name", "the certificate is for another name"},
    FailureRow{Failure::CertificateUntrusted, "certificate-untrusted",
               "self-signed, or from an authority that is not trusted here"},
    FailureRow{Failure::Weak, "weak", "TLS below 1.2, or a weak key, signature or cipher"},
    FailureRow{Failure::DaneMismatch, "dane-mismatch",
               "the certificate is not the one that TLSA records name"},
    FailureRow{Failure::MtaStsMismatch, "mta-sts-mismatch",
               "an MX host is not in the domain's MTA-STS policy"},
    FailureRow{Failure::NoAuth, "no-auth", "a submission port offers no login"},
    FailureRow{Failure::ClearTextAuth, "clear-text-auth", "the server takes passwords without TLS"},
    FailureRow{Failure::LoginRefused, "login-refused", "--user: the login is refused"},
    FailureRow{Failure::OpenRelay, "open-relay", "mail for strangers is taken without a login"},
    FailureRow{Failure::MessageRefused, "message-refused", "--send-to: the message is refused"},
    FailureRow{Failure::PasswordNotSent, "password-not-sent", "--user: kept back, TLS is not verified"},
    FailureRow{Failure::TimedOut, "timed-out", "--timeout came in the middle of the conversation"},
};

}  // namespace

std::span<const FailureRow> failures() { return kRows; }

std::string_view name_of(Failure failure) {
  for (const FailureRow& row : kRows) {
    if (row.failure == failure) return row.name;
  }
  return "unknown";
}

}  // namespace postern::probe
