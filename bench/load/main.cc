// postern_load: clients that log in over TLS and send mail, as many and as fast as told. Prints one JSON line.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "load/crowd.h"
#include <algorithm>
#include <cstdlib>
#include <iostream>

namespace postern::bench {
namespace {

double milliseconds_at(const std::vector<std::chrono::nanoseconds>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto at = static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1));
  return std::chrono::duration<double, std::milli>(sorted[at]).count();
}

void print(const Tally& tally) {
  std::vector<std::chrono::nanoseconds> sorted = tally.latencies;
  std::sort(sorted.begin(), sorted.end());
  std::string error;
  for (const char c : tally.first_error) error += c == '"' || c == '\\' || c < ' ' ? '?' : c;
  fmt::print(
      "{{\"done\":{},\"errors\":{},\"first_error\":\"{}\",\"begun_ns\":{},\"ended_ns\":{},\"p50_ms\":{:.3f},"
      "\"p99_ms\":{:.3f},\"max_ms\":{:.3f}}}\n",
      tally.done, tally.errors, error, tally.begun.time_since_epoch().count(),
      tally.ended.time_since_epoch().count(), milliseconds_at(sorted, 0.5), milliseconds_at(sorted, 0.99),
      milliseconds_at(sorted, 1));
}

int run(const LoadOptions& options) {
  net::Loop loop;
  const auto tls = net::TlsClient::create({net::TlsClient::Verify::None, ""});
  if (!tls) {
    std::cerr << tls.error().detail << '\n';
    return 1;
  }
  Crowd crowd(loop, options, *tls);
  loop.spawn(crowd.run());
  loop.run();
  print(crowd.tally());
  return crowd.tally().errors == 0 ? 0 : 1;
}

}  // namespace
}  // namespace postern::bench

int main(int argc, char** argv) {
  using postern::bench::LoadOptions;
  LoadOptions options;
  std::string server;
  CLI::App app("Clients that log in over TLS and send mail; prints one JSON line");
  app.add_option("server", server, "ADDRESS:PORT")->required();
  app.add_option("--mode", options.mode,
                 "send; login: sessions without mail; idle, slow: hold connections until stdin ends")
      ->check(CLI::IsMember({"send", "login", "idle", "slow"}));
  app.add_flag("--implicit", options.implicit_tls, "TLS from the start instead of STARTTLS");
  app.add_flag("--pipelining", options.pipelining, "MAIL, RCPT and DATA in one write");
  app.add_option("--user", options.user, "login name")->required();
  app.add_option("--password", options.password, "its password")->required();
  app.add_option("--from", options.sender, "MAIL FROM and From");
  app.add_option("--to", options.recipient, "RCPT TO and To");
  app.add_option("--mail-parameters", options.mail_parameters, "behind MAIL FROM, such as HOLDFOR=3600");
  app.add_option("--recipients", options.recipients, "of each message")->check(CLI::Range(1, 1000));
  app.add_option("--connections", options.connections, "at once");
  app.add_option("--messages", options.messages, "by each connection (login: sessions)");
  app.add_option("--per-session", options.per_session,
                 "messages before connecting anew; 0: all on one connection");
  app.add_option("--size", options.size, "octets of body");
  CLI11_PARSE(app, argc, argv);
  const auto endpoint = postern::net::Endpoint::parse(server);
  if (!endpoint) {
    std::cerr << endpoint.error().detail << '\n';
    return 2;
  }
  options.server = *endpoint;
  return postern::bench::run(options);
}
