#include "probe/explain.h"

#include "probe/endpoint_check.h"

#include <fmt/format.h>

#include <algorithm>

namespace postern::probe {
namespace {

/// Quoted for a shell; names from the command line can hold anything.
std::string quoted(const std::string& text) {
  const bool plain =
      text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:_[]") ==
      std::string::npos;
  if (plain) return text;
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + '\'';
}

std::string url_host(const std::string& host) {
  return host.find(':') == std::string::npos ? host : '[' + host + ']';
}

std::string commands(const std::string& name, std::uint16_t port, bool implicit_tls) {
  const std::string host = quoted(name);
  const std::string in_url = quoted(url_host(name));
  std::string out = fmt::format("\nThe same for {}:{} by hand:\n", url_host(name), port);
  const auto add = [&out](const std::string& command, const char* says) {
    out += fmt::format("  {:<78} # {}\n", command, says);
  };
  add(fmt::format("dig +short A {0}; dig +short AAAA {0}", host), "the addresses");
  add(fmt::format("nc -zvw 7 {} {}", host, port), "does TCP connect: refused, timed out?");
  add(fmt::format("timeout 7 bash -c 'exec 3<>/dev/tcp/{}/{} && head -n 1 <&3'", host, port),
      implicit_tls ? "the same without any tool; prints nothing on a TLS port"
                   : "the same without any tool, and the banner");
  if (!implicit_tls) add(fmt::format("telnet {} {}", host, port), "the banner; type EHLO test, then QUIT");
  add(fmt::format("openssl s_client -connect {}:{}{} -servername {} -verify_return_error -brief", in_url,
                  port, implicit_tls ? "" : " -starttls smtp", host),
      "TLS, certificate, name");
  add(fmt::format("curl -v --max-time 30 {}://{}:{}/ {}", implicit_tls ? "smtps" : "smtp", in_url, port,
                  implicit_tls ? "-X EHLO" : "--ssl-reqd -X EHLO"),
      "EHLO and, for STARTTLS ports, the upgrade");
  add(fmt::format("nmap -Pn -sV -p {} --reason {}", port, host),
      "which program; filtered or closed, and why");
  add(fmt::format("swaks --server {} --port {} {} --quit-after EHLO", host, port,
                  implicit_tls ? "--tls-on-connect" : "--tls"),
      "the dialogue up to EHLO; with --auth a login");
  return out;
}

std::string settings(const std::string& name, std::uint16_t port, bool implicit_tls) {
  const char* const thunderbird = implicit_tls ? "SSL/TLS" : "STARTTLS";
  std::string out = fmt::format("\nClient settings for {}:{}:\n", url_host(name), port);
  out += fmt::format(
      "  {:<24} server {}, port {}, connection security {}, normal password, user: the whole address\n",
      "Thunderbird", name, port, thunderbird);
  out += fmt::format("  {:<24} outgoing server {}, port {}, encryption {}\n", "Outlook, Apple, Android", name,
                     port, implicit_tls ? "SSL/TLS" : "STARTTLS (\"TLS\")");
  out += fmt::format(
      "  {:<24} {}\n", "Python smtplib",
      implicit_tls
          ? fmt::format("smtplib.SMTP_SSL(\"{}\", {}, context=ssl.create_default_context())", name, port)
          : fmt::format("s = smtplib.SMTP(\"{}\", {}); s.starttls(context=ssl.create_default_context())",
                        name, port));
  out += fmt::format("  {:<24} {{ host: \"{}\", port: {}, secure: {}{} }}\n", "Nodemailer", name, port,
                     implicit_tls ? "true" : "false", implicit_tls ? "" : ", requireTLS: true");
  out += fmt::format("  {:<24} $mail->Host = '{}'; $mail->Port = {}; $mail->SMTPSecure = PHPMailer::{};\n",
                     "PHPMailer", name, port, implicit_tls ? "ENCRYPTION_SMTPS" : "ENCRYPTION_STARTTLS");
  out += fmt::format("  {:<24} mail.smtp.host={} mail.smtp.port={} mail.smtp.auth=true {}\n", "Jakarta Mail",
                     name, port,
                     implicit_tls ? "mail.smtp.ssl.enable=true" : "mail.smtp.starttls.required=true");
  out += fmt::format("  {:<24} EMAIL_HOST=\"{}\" EMAIL_PORT={} {}=True\n", "Django", name, port,
                     implicit_tls ? "EMAIL_USE_SSL" : "EMAIL_USE_TLS");
  out += fmt::format("  {:<24} relayhost = [{}]:{}{}\n", "Postfix", name, port,
                     implicit_tls ? "  smtp_tls_wrappermode = yes  smtp_tls_security_level = secure"
                                  : "  smtp_tls_security_level = secure  smtp_sasl_auth_enable = yes");
  out += fmt::format("  {:<24} host {}  port {}  tls on  tls_starttls {}  auth on\n", "msmtp", name, port,
                     implicit_tls ? "off" : "on");
  return out;
}

}  // namespace

std::string explain(const CheckSeen& seen) {
  std::string out;
  for (const HostSeen& host : seen.hosts) {
    std::vector<std::uint16_t> done;
    for (const EndpointSeen& endpoint : host.endpoints) {
      if (std::find(done.begin(), done.end(), endpoint.port) != done.end()) continue;
      done.push_back(endpoint.port);
      out += commands(host.dns.name, endpoint.port, endpoint.implicit_tls);
      if (!is_relay_port(endpoint.port)) out += settings(host.dns.name, endpoint.port, endpoint.implicit_tls);
    }
  }
  return out;
}

}  // namespace postern::probe
