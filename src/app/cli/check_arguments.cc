#include "app/cli/check_arguments.h"

#include "app/cli/common.h"
#include "probe/ports.h"

#include <fmt/format.h>
#include <net/if.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>

namespace postern::app::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kMostSeconds = 600;

Result<std::uint16_t> read_port(const std::string& text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number == 0 || number > 65535)
    return fail(Errc::Malformed, "not a port from 1 to 65535: " + text);
  return static_cast<std::uint16_t>(number);
}

struct HostAndPort {
  std::string host;
  std::string port;  ///< empty: none was given
};

/// "HOST", "HOST:PORT", "[V6]:PORT", or a bare IPv6 address. Error: Malformed.
Result<HostAndPort> split(const std::string& text) {
  HostAndPort out{text, {}};
  std::size_t colon = std::string::npos;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string::npos) return fail(Errc::Malformed, "no ] in " + text);
    out.host = text.substr(1, end - 1);
    if (end + 1 == text.size()) return out;
    if (text[end + 1] != ':') return fail(Errc::Malformed, "expected :PORT after ] in " + text);
    colon = end + 1;
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    colon = text.find(':');
    out.host = text.substr(0, colon);
  } else {
    return out;
  }
  out.port = text.substr(colon + 1);
  if (out.port.empty()) return fail(Errc::Malformed, "no port after the colon in " + text);
  return out;
}

/// Takes the zone off a link-local address, "fe80::1%eth0" (RFC 4007 §11), which means nothing without it.
Result<std::uint32_t> take_zone(std::string& host) {
  const std::size_t percent = host.find('%');
  const std::string address = host.substr(0, percent);
  const Result<net::IpAddress> ip = net::IpAddress::parse(address);
  const Result<net::IpAddress> link_local = net::IpAddress::parse("fe80::");
  const bool needs_zone = ip && link_local && ip->is_v6() && ip->network(0, 10) == *link_local;
  if (percent == std::string::npos) {
    if (needs_zone)
      return fail(Errc::Malformed,
                  fmt::format("{0} is link-local: say on which interface, as {0}%eth0", host));
    return 0U;
  }
  if (!needs_zone)
    return fail(Errc::Malformed, "only link-local IPv6 addresses (fe80::...) have a zone: " + host);
  const std::string zone = host.substr(percent + 1);
  const unsigned index = ::if_nametoindex(zone.c_str());
  if (index == 0) return fail(Errc::Malformed, "no interface \"" + zone + "\" here (`ip link` shows them)");
  host = address;
  return index;
}

/// "::1:587" is an address, and perhaps not what was meant.
void hint_at_port(const std::string& text, std::vector<std::string>& hints) {
  const std::size_t last = text.rfind(':');
  if (text.starts_with('[') || std::count(text.begin(), text.end(), ':') < 2) return;
  const Result<std::uint16_t> port = read_port(text.substr(last + 1));
  if (!port || probe::find_mail_port(*port) == nullptr) return;
  hints.push_back(fmt::format("{} is taken as an address; for port {} write [{}]:{}", text, *port,
                              text.substr(0, last), *port));
}

Result<> read_target(const std::string& text, PreparedCheck& out) {
  POSTERN_TRY(HostAndPort found, split(text));
  if (found.host.ends_with('.')) found.host.pop_back();
  if (found.host.empty() || found.host.find_first_of(" \t\r\n/@<>") != std::string::npos)
    return fail(Errc::Malformed, "not a host: \"" + text + "\" (want HOST, HOST:PORT or [IPV6]:PORT)");
  POSTERN_TRY(out.options.zone, take_zone(found.host));
  if (found.host.find(':') != std::string::npos && !net::IpAddress::parse(found.host))
    return fail(Errc::Malformed,
                "not an address: \"" + found.host + "\" (want HOST, HOST:PORT or [IPV6]:PORT)");
  out.target.host = found.host;
  hint_at_port(text, out.hints);
  if (found.port.empty()) return {};
  POSTERN_TRY(const std::uint16_t port, read_port(found.port));
  out.target.ports = {port};
  return {};
}

/// "10s", "2m", "500ms" or seconds.
Result<milliseconds> read_duration(const std::string& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size());
  if (error == std::errc{} && number > 0 && number <= 86'400) {
    if (unit.empty() || unit == "s") return milliseconds{seconds{number}};
    if (unit == "ms") return milliseconds{number};
    if (unit == "m") return milliseconds{std::chrono::minutes{number}};
    if (unit == "h") return milliseconds{std::chrono::hours{number}};
  }
  return fail(Errc::Malformed, "--watch: not a time: " + text + " (as in 10s, 2m)");
}

bool is_mail_address(const std::string& text) {
  return text.find_first_of(" \t\r\n<>") == std::string::npos && text.find('@') != std::string::npos;
}

Result<> check_addresses(const CheckArguments& a) {
  if (!a.send_to.empty() && !is_mail_address(a.send_to))
    return fail(Errc::Malformed, "--send-to: not an address: " + a.send_to);
  if (!a.send_from.empty() && !is_mail_address(a.send_from))
    return fail(Errc::Malformed, "--send-from: not an address: " + a.send_from);
  if (a.send_to.empty() || !a.send_from.empty() || is_mail_address(a.user)) return {};
  return fail(Errc::Malformed, a.user.empty()
                                   ? "--send-to needs a sender: --send-from, or --user with an address"
                                   : "--send-to needs --send-from: --user " + a.user + " is not an address");
}

/// The first line of a file. Warns when others can read it.
Result<std::string> first_line_of(const std::string& path, const char* what,
                                  std::vector<std::string>& hints) {
  struct stat found {};
  std::ifstream file(path);
  std::string line;
  if (!file || ::stat(path.c_str(), &found) != 0)
    return fail(Errc::NotFound, "cannot read " + path + ": " + std::strerror(errno));
  if (S_ISDIR(found.st_mode)) return fail(Errc::Malformed, path + " is a directory");
  constexpr mode_t kOthers = 07;
  if (S_ISREG(found.st_mode) && (found.st_mode & kOthers) != 0)
    hints.push_back(
        fmt::format("every user of this machine can read the {} in {} (chmod 600 {})", what, path, path));
  std::getline(file, line);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  if (line.empty()) return fail(Errc::Malformed, fmt::format("no {} in the first line of {}", what, path));
  return line;
}

Result<> read_credentials(const CheckArguments& a, PreparedCheck& out) {
  out.options.login.user = a.user;
  if (a.user.empty()) return {};
  out.options.login.is_token = a.token_stdin || !a.token_file.empty();
  const char* const what = out.options.login.is_token ? "token" : "password";
  const std::string& path = out.options.login.is_token ? a.token_file : a.password_file;
  if (path.empty()) {
    POSTERN_TRY(out.options.login.secret, read_secret(what));
  } else {
    POSTERN_TRY(out.options.login.secret, first_line_of(path, what, out.hints));
  }
  const bool breaks_line =
      out.options.login.is_token && out.options.login.secret.find_first_of(" \t\1") != std::string::npos;
  if (breaks_line) return fail(Errc::Malformed, "that is no access token: there is a blank in it");
  return {};
}

Result<> read_names(const CheckArguments& a, PreparedCheck& out) {
  for (const std::string& text : a.addresses) {
    POSTERN_TRY(const net::IpAddress ip, net::IpAddress::parse(text));
    out.target.addresses.push_back(ip);
  }
  for (const std::string& text : a.resolvers) {
    if (!net::IpAddress::parse(text) && !net::Endpoint::parse(text))
      return fail(Errc::Malformed,
                  "--resolver: not the address of a DNS server: " + text + " (as 9.9.9.9, 127.0.0.1:5353)");
  }
  out.names.resolvers = a.resolvers;
  out.names.trust_anchor = a.trust_anchor;
  if (a.v4) out.names.family = probe::Family::V4;
  if (a.v6) out.names.family = probe::Family::V6;
  return {};
}

Result<> read_targets(const CheckArguments& a, PreparedCheck& out) {
  if (a.target.empty() && a.from_domain.empty())
    return fail(Errc::Malformed, "name a HOST[:PORT], or a domain with --from-domain");
  if (!a.target.empty() && !a.from_domain.empty())
    return fail(Errc::Malformed, "either HOST[:PORT] or --from-domain, not both");
  if (a.from_domain.find_first_of(" \t\r\n/@<>:") != std::string::npos)
    return fail(Errc::Malformed, "--from-domain: not a domain: \"" + a.from_domain + "\" (as example.org)");
  if (!a.target.empty()) POSTERN_CHECK(read_target(a.target, out));
  out.target.from_domain = a.from_domain;
  for (const std::uint16_t port : a.ports) {
    if (std::find(out.target.ports.begin(), out.target.ports.end(), port) == out.target.ports.end())
      out.target.ports.push_back(port);
  }
  out.ports_asked = !out.target.ports.empty() || !a.from_domain.empty();
  if (out.target.ports.empty())
    out.target.ports.assign(std::begin(probe::kUsualPorts), std::end(probe::kUsualPorts));
  return {};
}

void add_login_options(CLI::App& command, CheckArguments& a) {
  CLI::Option* const user = command.add_option(
      "--user", a.user, "Log in; the password comes from the terminal, standard input or --password-file");
  CLI::Option* const secrets[] = {
      command.add_option("--password-file", a.password_file, "First line is the password"),
      command.add_flag("--password-stdin", a.password_stdin,
                       "The password is the first line of standard input (as without it)"),
      command.add_option(
          "--oauth-token-file", a.token_file,
          "Log in with an OAuth 2.0 access token (OAUTHBEARER, XOAUTH2): the first line of this file"),
      command.add_flag("--oauth-token-stdin", a.token_stdin,
                       "The same, from the first line of standard input")};
  for (CLI::Option* const one : secrets) {
    one->needs(user);
    for (CLI::Option* const other : secrets) {
      if (one != other) one->excludes(other);
    }
  }
  command.add_option("--send-to", a.send_to, "Send a test message to this address");
  command.add_option("--send-from", a.send_from, "Its sender; default: --user");
  command
      .add_flag("--insecure", a.insecure,
                "Given twice: send the password or token although TLS is not verified")
      ->needs(user);
}

}  // namespace

void add_check_options(CLI::App& command, CheckArguments& a) {
  command.add_option("target", a.target,
                     "HOST, HOST:PORT or [IPV6]:PORT; without port 587, 465, 25 and 2525");
  CLI::Option* const domain = command.add_option("--from-domain", a.from_domain,
                                                 "Find hosts and ports by the domain's SRV and MX records");
  command.add_option("-p,--port", a.ports, "Ports, each of which has to work")
      ->delimiter(',')
      ->check(port_number())
      ->excludes(domain);
  command.add_option("--address", a.addresses, "Connect to this address instead of what DNS says")
      ->delimiter(',')
      ->excludes(domain);
  command.add_option("--resolver", a.resolvers, "Ask this DNS server, as 9.9.9.9 or 127.0.0.1:5353")
      ->delimiter(',');
  command
      .add_option("--trust-anchor", a.trust_anchor,
                  "File with the keys that DNSSEC begins with; default: the root's")
      ->check(CLI::ExistingFile);
  CLI::Option* const v4 = command.add_flag("-4", a.v4, "IPv4 only");
  command.add_flag("-6", a.v6, "IPv6 only")->excludes(v4);
  command.add_option("--timeout", a.timeout, "Seconds for the whole check")
      ->check(CLI::Range(1, kMostSeconds))
      ->capture_default_str();
  CLI::Option* const quiet = command.add_flag("-q,--quiet", a.quiet, "Only one line, the verdict");
  CLI::Option* const watch = command.add_option(
      "--watch", a.watch, "Check again and again with this pause, as 10s; a line for every change");
  command.add_option("--count", a.rounds, "With --watch: stop after so many checks")
      ->check(CLI::Range(1, 1'000'000))
      ->needs(watch);
  command
      .add_flag("--explain", a.explain,
                "Also print the same checks with nc, curl, openssl, nmap and bash, and client settings")
      ->excludes(quiet)
      ->excludes(watch);
  command.add_option("--ca-file", a.ca_file, "Trust these certificates (PEM) too")->check(CLI::ExistingFile);
  command.add_option("--ehlo", a.ehlo, "Name to say in EHLO; default: our address as a literal");
  add_login_options(command, a);
  command.add_flag("--no-relay-test", a.no_relay_test, "Do not ask whether it relays for strangers");
}

Result<PreparedCheck> prepare_check(const CheckArguments& a) {
  PreparedCheck out;
  POSTERN_CHECK(read_targets(a, out));
  POSTERN_CHECK(read_names(a, out));
  POSTERN_CHECK(check_addresses(a));
  if (a.ehlo.find_first_of(" \t\r\n") != std::string::npos)
    return fail(Errc::Malformed, "--ehlo: not a name: " + a.ehlo);
  out.options.ehlo_name = a.ehlo;
  out.options.send_to = a.send_to;
  out.options.send_from = a.send_from;
  out.options.secret_without_verified_tls = a.insecure >= 2;
  out.options.try_relay = !a.no_relay_test;
  if (!a.watch.empty()) {
    POSTERN_TRY(out.watch, read_duration(a.watch));
  }
  POSTERN_CHECK(read_credentials(a, out));
  return out;
}

}  // namespace postern::app::cli
