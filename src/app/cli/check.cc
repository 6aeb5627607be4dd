#include "probe/check.h"

#include "app/cli/common.h"
#include "probe/explain.h"
#include "probe/report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <fstream>
#include <iostream>
#include <thread>

namespace postern::app::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kWrongCommandLine = 2;
constexpr int kMostSeconds = 600;

struct Arguments {
  std::string target;
  std::string from_domain;
  std::vector<std::uint16_t> ports;
  std::vector<std::string> addresses;
  std::vector<std::string> resolvers;
  std::string trust_anchor;
  bool v4 = false;
  bool v6 = false;
  int timeout = 30;
  bool quiet = false;
  std::string watch;
  int rounds = 0;
  bool explain = false;
  std::string ca_file;
  std::string ehlo;
  std::string user;
  std::string password_file;
  bool password_stdin = false;
  std::string send_to;
  std::string send_from;
  int insecure = 0;
  bool no_relay_test = false;
};

/// "HOST", "HOST:PORT", "[V6]:PORT", or a bare IPv6 address. Error: Malformed.
Result<> read_target(const std::string& text, probe::Target& out) {
  std::string host = text;
  std::string port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string::npos) return fail(Errc::Malformed, "no ] in " + text);
    host = text.substr(1, end - 1);
    if (end + 1 < text.size() && text[end + 1] != ':')
      return fail(Errc::Malformed, "expected :PORT after ] in " + text);
    if (end + 1 < text.size()) port = text.substr(end + 2);
    if (end + 2 == text.size()) return fail(Errc::Malformed, "no port after the colon in " + text);
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    host = text.substr(0, text.find(':'));
    port = text.substr(text.find(':') + 1);
    if (port.empty()) return fail(Errc::Malformed, "no port after the colon in " + text);
  }
  if (host.ends_with('.')) host.pop_back();
  if (host.empty() || host.find_first_of(" \t\r\n/@<>") != std::string::npos) {
    return fail(Errc::Malformed, "not a host: \"" + text + "\" (want HOST, HOST:PORT or [IPV6]:PORT)");
  }
  if (host.find(':') != std::string::npos && !net::IpAddress::parse(host)) {
    return fail(Errc::Malformed, "not an address: \"" + host + '"');
  }
  out.host = host;
  if (port.empty()) return {};
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc{} || end != port.data() + port.size() || number == 0 || number > 65535) {
    return fail(Errc::Malformed, "not a port from 1 to 65535: " + port);
  }
  out.ports = {static_cast<std::uint16_t>(number)};
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
  return fail(Errc::Malformed, "not a time: " + text + " (as in 10s, 2m)");
}

Result<> check_address(const std::string& address, const char* option) {
  const bool odd =
      address.find_first_of(" \t\r\n<>") != std::string::npos || address.find('@') == std::string::npos;
  if (!address.empty() && odd)
    return fail(Errc::Malformed, std::string(option) + ": not an address: " + address);
  return {};
}

Result<std::string> password_of(const Arguments& arguments) {
  if (arguments.password_file.empty()) return read_password();
  std::ifstream file(arguments.password_file);
  std::string line;
  if (!file || !std::getline(file, line))
    return fail(Errc::NotFound, "cannot read " + arguments.password_file);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  if (line.empty()) return fail(Errc::Malformed, "no password in " + arguments.password_file);
  return line;
}

/// Prints steps as they are done, and on a terminal what is being waited for.
class Progress final : public probe::Watcher {
 public:
  explicit Progress(bool show) : show_(show), terminal_(show && ::isatty(STDERR_FILENO) != 0) {}
  void dns_done(const probe::DnsSeen& seen) override { print(probe::dns_line(seen)); }
  void step_done(const probe::EndpointSeen& seen, probe::Step step) override {
    print(probe::step_line(seen, step));
  }
  ~Progress() override { clear(); }

 private:
  void print(const std::string& line) {
    if (!show_ || line.empty()) return;
    clear();
    std::cout << line << std::endl;
    if (terminal_) std::cerr << "... checking" << std::flush;
  }
  void clear() const {
    if (terminal_) std::cerr << "\r\x1b[K" << std::flush;
  }
  bool show_;
  bool terminal_;
};

struct Prepared {
  probe::Target target;
  probe::CheckOptions options;
  probe::NameOptions names;
  bool ports_asked = false;
  milliseconds watch{0};
};

Result<Prepared> prepare(const Arguments& arguments) {
  Prepared out;
  if (arguments.target.empty() == arguments.from_domain.empty()) {
    return fail(Errc::Malformed, "name a HOST[:PORT], or a domain with --from-domain");
  }
  if (!arguments.target.empty()) POSTERN_CHECK(read_target(arguments.target, out.target));
  out.target.from_domain = arguments.from_domain;
  for (const std::uint16_t port : arguments.ports) {
    if (std::find(out.target.ports.begin(), out.target.ports.end(), port) == out.target.ports.end()) {
      out.target.ports.push_back(port);
    }
  }
  out.ports_asked = !out.target.ports.empty() || !arguments.from_domain.empty();
  if (out.target.ports.empty())
    out.target.ports.assign(std::begin(probe::kUsualPorts), std::end(probe::kUsualPorts));
  for (const std::string& text : arguments.addresses) {
    POSTERN_TRY(const net::IpAddress ip, net::IpAddress::parse(text));
    out.target.addresses.push_back(ip);
  }
  out.names.resolvers = arguments.resolvers;
  out.names.trust_anchor = arguments.trust_anchor;
  if (arguments.v4) out.names.family = probe::Family::V4;
  if (arguments.v6) out.names.family = probe::Family::V6;
  POSTERN_CHECK(check_address(arguments.send_to, "--send-to"));
  POSTERN_CHECK(check_address(arguments.send_from, "--send-from"));
  if (!arguments.send_to.empty() && arguments.send_from.empty()) {
    POSTERN_CHECK(check_address(arguments.user.empty() ? "-" : arguments.user, "--send-from (or --user)"));
  }
  if (arguments.ehlo.find_first_of(" \t\r\n") != std::string::npos)
    return fail(Errc::Malformed, "--ehlo: not a name");
  out.options.ehlo_name = arguments.ehlo;
  out.options.user = arguments.user;
  out.options.send_to = arguments.send_to;
  out.options.send_from = arguments.send_from;
  out.options.password_without_verified_tls = arguments.insecure >= 2;
  out.options.try_relay = !arguments.no_relay_test;
  if (!arguments.watch.empty()) {
    POSTERN_TRY(out.watch, read_duration(arguments.watch));
  }
  if (!arguments.user.empty()) {
    POSTERN_TRY(out.options.password, password_of(arguments));
  }
  return out;
}

std::string clock_text() {
  return fmt::format("{:%H:%M:%S}",
                     fmt::localtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
}

/// One check; its exit code.
int check_once(const Context& context, const Arguments& arguments, const Prepared& prepared,
               const probe::Handshaker& tls, std::string* last_line) {
  const bool show = !context.json && !arguments.quiet && last_line == nullptr;
  probe::CheckSeen seen;
  {
    Progress progress(show);
    seen = probe::run_check(prepared.target, prepared.options, prepared.names, tls,
                            seconds{arguments.timeout}, progress);
  }
  const probe::Verdict verdict =
      probe::judge(seen, {.now = SystemClock().now(), .ports_were_asked_for = prepared.ports_asked});
  if (context.json) {
    std::cout << probe::to_json(seen, verdict) << std::endl;
  } else if (last_line != nullptr) {
    const std::string line = probe::verdict_line(verdict);
    if (line != *last_line) std::cout << clock_text() << ' ' << line << std::endl;
    *last_line = line;
  } else if (arguments.quiet) {
    std::cout << probe::verdict_line(verdict) << '\n';
  } else {
    std::cout << probe::verdict_text(seen, verdict);
    if (arguments.explain) std::cout << probe::explain(seen);
  }
  return probe::exit_code(verdict.failure);
}

Result<> check(Context& context, const Arguments& arguments) {
  const Result<Prepared> prepared = prepare(arguments);
  if (!prepared) {
    context.exit_code = kWrongCommandLine;
    std::cerr << "postern check: " << prepared.error().detail << '\n';
    return {};
  }
  std::signal(SIGPIPE, SIG_IGN);  // a server that hangs up is a finding
  POSTERN_TRY(const probe::Handshaker tls, probe::Handshaker::create(arguments.ca_file));
  if (prepared->watch.count() == 0) {
    context.exit_code = check_once(context, arguments, *prepared, tls, nullptr);
    return {};
  }
  std::string last_line;
  for (int round = 1;; ++round) {
    context.exit_code = check_once(context, arguments, *prepared, tls, &last_line);
    if ((arguments.rounds > 0 && round >= arguments.rounds) || !std::cout) return {};
    std::this_thread::sleep_for(prepared->watch);
  }
}

std::string exit_codes() {
  std::string out =
      "Exit codes (docs/check.md):\n  1   the check itself failed\n  2   the command line is wrong\n";
  for (const probe::FailureRow& row : probe::failures()) {
    out += fmt::format("  {:<3} {:<22} {}\n", static_cast<int>(row.failure), row.name, row.meaning);
  }
  return out;
}

}  // namespace

void add_check_commands(CLI::App& app, Context& context) {
  static Arguments a;
  CLI::App* check_command = app.add_subcommand(
      "check", "Is a mail server reachable and in order; if not, which step fails and whose fault is it");
  check_command->add_option("target", a.target,
                            "HOST, HOST:PORT or [IPV6]:PORT; without port 587, 465, 25 and 2525");
  check_command->add_option("--from-domain", a.from_domain,
                            "Find hosts and ports by the domain's SRV and MX records");
  check_command->add_option("-p,--port", a.ports, "Ports, each of which has to work")
      ->delimiter(',')
      ->check(CLI::Range(1, 65535));
  check_command->add_option("--address", a.addresses, "Connect to this address instead of what DNS says")
      ->delimiter(',');
  check_command->add_option("--resolver", a.resolvers, "Ask this DNS server, as 9.9.9.9 or 127.0.0.1:5353")
      ->delimiter(',');
  check_command
      ->add_option("--trust-anchor", a.trust_anchor,
                   "File with the keys that DNSSEC begins with; default: the root's")
      ->check(CLI::ExistingFile);
  CLI::Option* v4 = check_command->add_flag("-4", a.v4, "IPv4 only");
  check_command->add_flag("-6", a.v6, "IPv6 only")->excludes(v4);
  check_command->add_option("--timeout", a.timeout, "Seconds for the whole check")
      ->check(CLI::Range(1, kMostSeconds))
      ->capture_default_str();
  check_command->add_flag("-q,--quiet", a.quiet, "Only one line, the verdict");
  check_command->add_option("--watch", a.watch,
                            "Check again and again with this pause, as 10s; a line for every change");
  check_command->add_option("--count", a.rounds, "With --watch: stop after so many checks")
      ->check(CLI::Range(1, 1'000'000));
  check_command->add_flag(
      "--explain", a.explain,
      "Also print the same checks with nc, curl, openssl, nmap and bash, and client settings");
  check_command->add_option("--ca-file", a.ca_file, "Trust these certificates (PEM) too");
  check_command->add_option("--ehlo", a.ehlo, "Name to say in EHLO; default: our address as a literal");
  check_command->add_option(
      "--user", a.user, "Log in; the password comes from the terminal, standard input or --password-file");
  check_command->add_option("--password-file", a.password_file, "First line is the password");
  check_command->add_flag("--password-stdin", a.password_stdin,
                          "The password is the first line of standard input (as without it)");
  check_command->add_option("--send-to", a.send_to, "Send a test message to this address");
  check_command->add_option("--send-from", a.send_from, "Its sender; default: --user");
  check_command->add_flag("--insecure", a.insecure,
                          "Given twice: send the password although TLS is not verified");
  check_command->add_flag("--no-relay-test", a.no_relay_test, "Do not ask whether it relays for strangers");
  check_command->footer(exit_codes());
  check_command->callback([&context] { report(context, check(context, a)); });
}

}  // namespace postern::app::cli
