#include "probe/ports.h"

#include <algorithm>
#include <array>

namespace postern::probe {
namespace {

constexpr std::array kPorts{
    MailPort{24, "lmtp", "delivery into mailboxes (LMTP), between an MTA and its mail store", "usually none",
             "nobody: inside one network or a unix socket", "RFC 2033"},
    MailPort{25, "smtp", "mail between servers (MX); not for mail clients",
             "STARTTLS if both can (DANE, MTA-STS make it sure)",
             "servers that receive mail for a domain; many access networks block it outgoing",
             "RFC 5321, RFC 3207"},
    MailPort{110, "pop3", "fetching mail (POP3)", "STLS, or none", "nobody new: use 995",
             "RFC 1939, RFC 2595"},
    MailPort{143, "imap", "reading mail (IMAP)", "STARTTLS, or none",
             "mail stores that still allow it; prefer 993", "RFC 9051, RFC 2595"},
    MailPort{465, "submissions", "handing in mail by clients and applications, login required",
             "TLS from the first octet",
             "submission servers, to everybody who sends through them; preferred over 587", "RFC 8314 §3.3"},
    MailPort{587, "submission", "handing in mail by clients and applications, login required",
             "STARTTLS, required before login", "submission servers, to everybody who sends through them",
             "RFC 6409, RFC 3207"},
    MailPort{993, "imaps", "reading mail (IMAP)", "TLS from the first octet", "mail stores, to their users",
             "RFC 8314 §3.2"},
    MailPort{995, "pop3s", "fetching mail (POP3)", "TLS from the first octet", "mail stores, to their users",
             "RFC 8314 §3.1"},
    MailPort{2525, "(not registered)",
             "587 under another number, where networks block 25 and 587; offered by sending services",
             "as on 587: STARTTLS, required before login", "who has clients in such networks",
             "none: a habit, not a standard"},
    MailPort{4190, "sieve", "managing mail filters (ManageSieve)", "STARTTLS", "mail stores, to their users",
             "RFC 5804"},
    MailPort{8587, "(not registered)", "Postern's admin listener: dashboard, API, metrics", "none by itself",
             "nobody: loopback, or behind a proxy with TLS", "docs/operations.md"},
};

}  // namespace

std::span<const MailPort> mail_ports() { return kPorts; }

const MailPort* find_mail_port(std::uint16_t number) {
  const auto at =
      std::find_if(kPorts.begin(), kPorts.end(), [&](const MailPort& p) { return p.number == number; });
  return at == kPorts.end() ? nullptr : &*at;
}

}  // namespace postern::probe
