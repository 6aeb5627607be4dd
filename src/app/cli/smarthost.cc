#include "app/cli/common.h"
#include "delivery/client.h"
#include "delivery/map.h"
#include "dns/unbound_resolver.h"

#include <fmt/format.h>

#include <iostream>

/// postern smarthost ls | test NAME: whether a relay takes our mail, step by step, without sending any.
namespace postern::app::cli {
namespace {

struct Arguments {
  std::string name;
};

/// What was done and what came of it, in order.
class Steps {
 public:
  explicit Steps(bool json) : json_(json) {}
  void say(const std::string& step, const std::string& text) {
    if (json_) {
      all_ += (all_.empty() ? "" : ",") + std::string("{\"step\":") + json_text(step) +
              ",\"text\":" + json_text(text) + "}";
    } else {
      std::cout << fmt::format("{:<9} {}\n", step, text);
    }
  }
  void end(bool works) const {
    if (json_) std::cout << "{\"works\":" << (works ? "true" : "false") << ",\"steps\":[" << all_ << "]}\n";
  }

 private:
  const bool json_;
  std::string all_;
};

std::string advice(const delivery::Outcome& failure) {
  const std::string_view text = failure.text;
  if (failure.remote && text.starts_with("535"))
    return "name or password is wrong, or this service wants an app password or OAuth";
  if (failure.remote && text.starts_with("530")) return "it wants a login: set user and password_file";
  if (failure.status == "4.7.10") return "set tls to what the service offers, or use its port for STARTTLS";
  if (failure.status == "4.7.5")
    return "the certificate does not verify for this host name: check host and ca_file";
  if (failure.status == "4.4.1" || failure.status == "4.4.2")
    return "no connection: check host and port, and whether a firewall lets this machine out";
  return "see the last reply";
}

void describe_tls(const delivery::Client& client, Steps& steps) {
  if (!client.stream().is_tls()) return steps.say("tls", "none: the session is in the clear");
  const net::TlsInfo tls = client.stream().tls_info();
  steps.say("tls", fmt::format("{} {}, certificate {}", tls.version, tls.cipher,
                               tls.verify_error.empty() ? "verified" : "not verified: " + tls.verify_error));
}

struct Verdict {
  bool works = false;
};

net::Task<> try_relay(const delivery::Relay& relay, const config::Config& config, dns::Resolver& resolver,
                      net::Loop& loop, Steps& steps, Verdict& verdict) {
  static const SystemClock clock;
  delivery::Route route = co_await delivery::find_relay(resolver, relay.where.host, relay.where.port);
  if (route.targets.empty()) steps.say("address", route.failure.text);
  const std::function<void(char, std::string_view)> listener = [&steps](char who, std::string_view line) {
    steps.say(who == 'C' ? "we say" : "it says", std::string(line));
  };
  const delivery::Egress egress;
  const delivery::Client::Setting setting{config.hostname,        config.delivery, clock,
                                          relay.courtesy.replies, egress,          &listener};
  for (const delivery::Target& target : route.targets) {
    steps.say("connect", target.host + " " + target.endpoint.text());
    delivery::Client::Opened opened = co_await delivery::Client::open(loop, target, relay.manners, setting);
    if (!opened.client) {
      steps.say("failed", opened.failure.text + " (" + opened.failure.status + ")");
      steps.say("advice", advice(opened.failure));
      continue;
    }
    describe_tls(*opened.client, steps);
    const delivery::Extensions& offers = opened.client->extensions();
    steps.say("offers",
              fmt::format("SIZE {}{}{}{}{}", offers.size_limit, offers.pipelining ? " PIPELINING" : "",
                          offers.eight_bit_mime ? " 8BITMIME" : "", offers.smtputf8 ? " SMTPUTF8" : "",
                          offers.dsn ? " DSN" : ""));
    co_await opened.client->quit();
    verdict.works = true;
    break;
  }
  loop.stop();
}

Result<> test(Context& context, const Arguments& arguments) {
  POSTERN_TRY(const config::Config config, load_config(context));
  const auto known = config.smarthosts.find(arguments.name);
  if (known == config.smarthosts.end()) {
    std::string all;
    for (const auto& [name, smarthost] : config.smarthosts) all += (all.empty() ? "" : ", ") + name;
    return fail(Errc::NotFound,
                "no [smarthost." + arguments.name + "]; there is " + (all.empty() ? "none" : all));
  }
  Steps steps(context.json);
  POSTERN_TRY(const delivery::Map map, config.map());
  net::Loop loop;
  POSTERN_TRY(const auto resolver, dns::UnboundResolver::create(loop, config.dns));
  Verdict verdict;
  loop.spawn(try_relay(map.relays.at(arguments.name), config, *resolver, loop, steps, verdict));
  loop.run();
  if (verdict.works) steps.say("works", "mail for this smarthost would be offered now");
  steps.end(verdict.works);
  if (!verdict.works) context.exit_code = kFailed;
  return {};
}

Result<> list(const Context& context) {
  POSTERN_TRY(const config::Config config, load_config(context));
  std::string json;
  for (const auto& [name, s] : config.smarthosts) {
    if (context.json) {
      json += (json.empty() ? "" : ",") + fmt::format("{{\"name\":{},\"host\":{},\"port\":{},\"preset\":{}}}",
                                                      json_text(name), json_text(s.host), s.port,
                                                      json_text(s.preset));
    } else {
      std::cout << fmt::format("{}\t{}:{}\t{}\n", name, s.host, s.port, s.preset);
    }
  }
  if (context.json) std::cout << '[' << json << "]\n";
  return {};
}

}  // namespace

void add_smarthost_commands(CLI::App& app, Context& context) {
  static Arguments arguments;
  CLI::App* noun = app.add_subcommand("smarthost", "Relays that take our mail")->require_subcommand(1);
  CLI::App* testing =
      noun->add_subcommand("test", "Connect, STARTTLS and log in, and explain each step; sends nothing");
  testing->add_option("name", arguments.name)->required();
  testing->callback([&context] { report(context, test(context, arguments)); });
  noun->add_subcommand("ls", "Those of the configuration")->callback([&context] {
    report(context, list(context));
  });
}

}  // namespace postern::app::cli
