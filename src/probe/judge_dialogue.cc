#include "probe/endpoint_judge.h"

#include <fmt/format.h>

namespace postern::probe {

bool EndpointJudge::ehlo() {
  const EhloSeen& ehlo = seen_.implicit_tls ? seen_.ehlo_tls : seen_.ehlo;
  if (ehlo.helo_only) {
    const bool cut = seen_.banner.masked;
    fault(cut ? Failure::StartTlsStripped : Failure::EhloRefused, Step::Ehlo,
          fmt::format("{} refuses EHLO ({} {}) and takes HELO", where(), ehlo.reply.code, ehlo.reply.text),
          cut ? "the firewall that overwrites the banner allows HELO only"
              : "a very old server, or a firewall on the way that allows HELO only",
          "without EHLO there is neither TLS nor a login: turn SMTP inspection off, or use 465");
    return false;
  }
  if (ehlo.reply.code / 100 == 2) return true;
  if (ehlo.reply.error == "timeout") {
    fault(Failure::TimedOut, Step::Ehlo, where() + ": no answer to EHLO in time",
          "the server waits for something (a slow look-up), or packets of this size are lost (MTU)",
          "try with a longer --timeout");
    return false;
  }
  fault(
      Failure::EhloRefused, Step::Ehlo,
      where() + " refuses EHLO: " +
          (ehlo.reply.code != 0 ? fmt::format("{} {}", ehlo.reply.code, ehlo.reply.text) : ehlo.reply.error),
      seen_.banner.text.find("FTP") != std::string::npos
          ? "this is an FTP server"
          : "the server does not like this client's address or name",
      "try --ehlo with a name that resolves to this machine's address; see the server's log");
  return false;
}

void EndpointJudge::clear_auth() {
  if (seen_.implicit_tls) return;
  const bool offered = !seen_.ehlo.mechanisms.empty();
  const bool taken = seen_.auth_clear_tried && seen_.auth_clear.code == 334;
  if (!offered && !taken) return;
  fault(Failure::ClearTextAuth, Step::Auth,
        offered ? where() + " offers AUTH before TLS (" +
                      fmt::format("{}", fmt::join(seen_.ehlo.mechanisms, " ")) + ")"
                : where() + " takes AUTH before TLS although it does not offer it",
        seen_.same_host ? "the server lets clients send passwords in clear text, or trusts the machine it "
                          "runs on (Dovecot does)"
                        : "the server lets clients send passwords in clear text; a misconfigured client will",
        "let the server ask for TLS first (Postfix: smtpd_tls_auth_only=yes; Dovecot: "
        "disable_plaintext_auth=yes; Exim: "
        "server_advertise_condition with tls_in_cipher)");
}

void EndpointJudge::after_tls() {
  if (!seen_.implicit_tls && seen_.ehlo_tls.reply.code / 100 != 2) {
    fault(Failure::EhloRefused, Step::EhloTls,
          where() + ": no EHLO after TLS: " + seen_.ehlo_tls.reply.text + seen_.ehlo_tls.reply.error,
          "the server fails after the handshake", "look into the server's log");
    return;
  }
  if (is_relay_port(seen_.port) || !seen_.ehlo_tls.mechanisms.empty()) return;
  fault(Failure::NoAuth, Step::Auth, where() + " offers no login (AUTH) under TLS",
        "this is not set up as a submission port, or the login service behind it is missing",
        "set up SASL on the server for this port (Postfix: smtpd_sasl_auth_enable=yes)");
}

void EndpointJudge::relay() {
  if (!seen_.relay.tried || !seen_.relay.accepted()) return;
  if (seen_.same_host && is_relay_port(seen_.port)) {
    add(Severity::Warning, Failure::None, Step::Relay,
        where() + " takes mail to strangers from this machine without a login",
        "most servers trust the machine they run on",
        "run this check from another machine to see what strangers may do");
    return;
  }
  fault(Failure::OpenRelay, Step::Relay,
        fmt::format("{} takes mail to a stranger (example.com) without a login: {} {}", where(),
                    seen_.relay.recipient.code, seen_.relay.recipient.text),
        "the server relays for anybody, or trusts the network you are in (Postfix: mynetworks)",
        "close it at once, spammers find it within hours: relay only after AUTH");
}

void EndpointJudge::login() {
  const LoginSeen& login = seen_.login;
  if (!login.refused_by_us.empty()) {
    fault(Failure::PasswordNotSent, Step::Login,
          where() + fmt::format(": the {} was not sent: {}", login.with_token ? "token" : "password",
                                login.refused_by_us),
          "",
          login.tried ? "offer one of them, or try the login with a client that knows what the server offers"
                      : "repair TLS first; --insecure --insecure sends it all the same");
  } else if (login.tried && login.reply.code != 235) {
    fault(Failure::LoginRefused, Step::Login,
          fmt::format("{}: the login ({}) is refused: {}", where(), login.mechanism,
                      login.reply.code != 0 ? fmt::format("{} {}", login.reply.code, login.reply.text)
                                            : login.reply.error),
          login.reply.code / 100 == 4
              ? "the server cannot check passwords at the moment, or has locked this account or "
                "address for a while"
          : login.with_token
              ? "the token is expired, not for this server (audience, scope), or of another account"
              : "the name or the password is wrong, or an application password is needed",
          login.with_token
              ? "get a fresh token with the scope for sending mail, for the account that --user names"
              : "check the login name (often the whole address) and the password");
  }
  const MessageSeen& message = seen_.message;
  if (message.tried && !message.failed_at.empty()) {
    fault(Failure::MessageRefused, Step::Message,
          fmt::format("{}: the test message is refused at {}: {} {}", where(), message.failed_at,
                      message.reply.code, message.reply.code != 0 ? message.reply.text : message.reply.error),
          "the server says why", "change the sender (--send-from) or the recipient, or the account's rights");
  }
}

}  // namespace postern::probe
