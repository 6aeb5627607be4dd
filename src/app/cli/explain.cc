#include "admin/control_client.h"
#include "admin/queue_json.h"
#include "app/cli/common.h"
#include "app/cli/tls_words.h"
#include "app/server.h"
#include "app/tls_policies.h"
#include "delivery/expansion.h"
#include "delivery/next_hop.h"
#include "delivery/tls_decision.h"
#include "dns/unbound_resolver.h"
#include "mail/address.h"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <iostream>
#include <random>

/// postern explain --from A --to R: everything that decides about a mail, without sending it.
namespace postern::app::cli {
namespace {

namespace json = boost::json;

struct Arguments {
  std::string from;
  std::string to;
};

/// What there is to say: labels in the order in which they came first, each once (RFC 8259 §4: names of an object
/// should be unique), with its lines.
class Explanation {
 public:
  void say(const std::string& label, const std::string& text) {
    auto entry = std::ranges::find(entries_, label, &Entry::first);
    if (entry == entries_.end()) entry = entries_.insert(entries_.end(), {label, {}});
    entry->second.push_back(text);
  }
  void print(bool json) const {
    std::string out;
    for (const auto& [label, lines] : entries_) {
      if (json) out += (out.empty() ? "{" : ",") + json_text(label) + ":[";
      for (std::size_t i = 0; i < lines.size(); ++i) {
        if (json) {
          out += (i > 0 ? "," : "") + json_text(lines[i]);
        } else {
          out += fmt::format("{:<8}  {}\n", i == 0 ? label : "", lines[i]);
        }
      }
      if (json) out += "]";
    }
    std::cout << out << (json ? "}\n" : "");
  }

 private:
  using Entry = std::pair<std::string, std::vector<std::string>>;
  std::vector<Entry> entries_;
};

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + text;
  return out.empty() ? "none" : out;
}

std::string joined(const std::vector<guard::Limit>& limits) {
  std::vector<std::string> texts;
  for (const guard::Limit& limit : limits) texts.push_back(to_string(limit));
  return joined(texts);
}

/// What counts for the account: its own limits where it has them, else those of its class.
Result<std::string> shown_limits(const guard::LimitConfig& config, accounts::Directory& directory,
                                 const accounts::Account& account) {
  const accounts::LimitFacts facts = directory.limit_facts(account);
  const bool own = facts.account && !facts.account->empty();
  guard::LimitSet limits = config.classes.at(static_cast<std::size_t>(facts.kind));
  if (own) {
    POSTERN_TRY(const guard::LimitOverrides overrides, guard::parse_overrides(*facts.account));
    limits = overrides.over(limits);
  }
  return fmt::format(
      "{} ({}): messages {}, recipients {}, first-time recipients {}", account.address,
      own ? "limits of its own" : to_string(facts.kind), joined(limits.of(guard::Counted::Messages)),
      joined(limits.of(guard::Counted::Recipients)), joined(limits.of(guard::Counted::FirstTime)));
}

std::string shown_time(std::chrono::seconds time) {
  for (const auto& [unit, name] : {std::pair{86'400, "d"}, std::pair{3600, "h"}, std::pair{60, "min"}}) {
    if (time.count() >= unit && time.count() % unit == 0)
      return fmt::format("{} {}", time.count() / unit, name);
  }
  return fmt::format("{} s", time.count());
}

/// Whether mail from that address is an account's of class bulk.
Result<bool> explain_sender(const config::Config& config, accounts::Directory& directory,
                            const std::string& from, Explanation& out) {
  POSTERN_TRY(const guard::LimitConfig limit_config, config.limit_config());
  POSTERN_TRY(const std::vector<accounts::Account> all, directory.accounts());
  const std::size_t at = from.rfind('@');
  const mail::Mailbox mailbox{from.substr(0, at), from.substr(at + 1)};
  bool somebody = false;
  bool bulk = false;
  for (const accounts::Account& account : all) {
    if (!directory.may_send_as(account, mailbox)) continue;
    somebody = true;
    bulk = account.kind == accounts::AccountClass::Bulk;
    const std::string kind = to_string(account.kind);
    out.say("sender", fmt::format("account {} ({}{}) may send as {}", account.address, kind,
                                  account.suspended ? ", suspended" : "", from));
    POSTERN_TRY(const std::string limits, shown_limits(limit_config, directory, account));
    out.say("limits", limits);
  }
  if (!somebody) out.say("sender", "no account may send as " + from + ": refused at MAIL (550 5.7.1)");
  const auto domain = directory.domain(from.substr(from.rfind('@') + 1));
  out.say("signing", domain ? fmt::format("DKIM d={} s={}", domain->name, domain->selector)
                            : "no key for the domain of " + from + ": refused after DATA");
  return bulk;
}

void explain_pace(const delivery::NextHop& hop, const delivery::Options& options, bool bulk,
                  Explanation& out) {
  const delivery::Courtesy& courtesy = *hop.courtesy;
  out.say("pace", fmt::format("budget \"{}\": up to {} connections, {} messages each, {}", hop.budget,
                              courtesy.max_connections, courtesy.max_messages_per_connection,
                              courtesy.rate.messages == 0
                                  ? std::string("no rate limit")
                                  : fmt::format("{} messages in {}", courtesy.rate.messages,
                                                shown_time(std::chrono::duration_cast<std::chrono::seconds>(
                                                    courtesy.rate.window)))));
  if (!courtesy.replies.empty()) {
    out.say("pace", fmt::format("{} reply rules of {}", courtesy.replies.size(),
                                courtesy.name.empty() ? "the smarthost" : courtesy.name));
  }
  out.say("retries",
          fmt::format("first after {}, doubling to {}; the sender is told after {}, given up after {}",
                      shown_time(bulk ? options.bulk_first_retry : options.first_retry),
                      shown_time(std::max(options.longest_retry,
                                          bulk ? options.bulk_first_retry : options.first_retry)),
                      shown_time(options.delay_notice_after),
                      shown_time(bulk ? options.bulk_give_up_after : options.give_up_after)));
}

/// What only a running server knows; without one there is nothing to say.
void explain_pace_now(const config::Config& config, const delivery::NextHop& hop, const std::string& domain,
                      Explanation& out) {
  const std::string socket = control_path(config);
  queue::Filter filter;
  filter.site = domain;
  filter.limit = SIZE_MAX;
  const auto waiting =
      admin::ask(socket, json::object{{"verb", "queue.count"}, {"filter", admin::to_json(filter)}});
  if (!waiting) return;
  out.say("now",
          fmt::format("{} recipients in {} messages wait for {}", json::serialize(waiting->at("recipients")),
                      json::serialize(waiting->at("messages")), domain));
  const auto pace = admin::ask(socket, json::object{{"verb", "delivery.pace"}, {"budget", hop.budget}});
  if (!pace) return;
  if (!pace->is_object())
    return out.say("now", "nothing was sent there lately: mail leaves at once, over one connection at first");
  const json::object& state = pace->as_object();
  out.say("now", fmt::format("{} connections of {} that it bears", json::serialize(state.at("connections")),
                             json::serialize(state.at("limit"))));
  if (const json::value* until = state.if_contains("paused_until")) {
    out.say("now", fmt::format("paused until {}: {}", std::string(until->as_string()),
                               std::string(state.at("why").as_string())));
  } else {
    out.say("now", "the next message may leave at " + std::string(state.at("next_message").as_string()));
  }
}

void explain_egress(const delivery::Egress& egress, Explanation& out) {
  for (const auto& source : {egress.source_v4, egress.source_v6}) {
    if (source) out.say("egress", "from " + source->text());
  }
  if (egress.socks5) out.say("egress", "through the SOCKS5 proxy " + egress.socks5->where.text());
}

net::Task<> explain_tls(const delivery::NextHop& hop, delivery::TlsPolicies& policies,
                        const delivery::Route& route, Explanation& out) {
  if (hop.tls.dane)
    out.say("tls", "DNSSEC vouches for the mail hosts: DANE applies where they have TLSA records");
  if (const tlspolicy::StsPolicy* policy = hop.tls.sts_policy()) {
    out.say("tls", fmt::format("MTA-STS of {}: {}, mx {}{}", hop.tls.domain, to_string(policy->mode),
                               joined(policy->mx), hop.tls.sts->cached ? " (cached)" : ""));
  }
  if (hop.tls.sts && !hop.tls.sts->why.empty())
    out.say("tls", "the MTA-STS policy that is announced cannot be had: " + hop.tls.sts->why);
  std::string last;
  for (const delivery::Target& target : route.targets) {
    if (std::exchange(last, target.host) == target.host) continue;
    const Result<delivery::TlsDecision> tls = co_await policies.of_host(hop, target);
    const std::string text = shown_tls(tls);
    const bool same_for_all = hop.tls.domain.empty() && tls;
    out.say("tls", same_for_all ? text : target.host + ": " + text);
    if (same_for_all) break;
  }
}

net::Task<> explain_hosts(const delivery::Map& map, dns::Resolver& resolver, delivery::TlsPolicies& policies,
                          const delivery::NextHop& hop, Explanation& out) {
  delivery::Rng rng{std::random_device{}()};
  delivery::Route route;
  if (hop.relay != nullptr) {
    route = co_await delivery::find_relay(resolver, hop.relay->where.host, hop.port);
  } else {
    for (const dns::MxHost& host : hop.hosts.hosts) {
      out.say("hosts", fmt::format("{} {}{}", host.preference, host.host,
                                   hop.hosts.implicit ? " (no MX record: the domain itself)" : ""));
    }
    if (hop.hosts.loop) out.say("hosts", "this server is among them: what is not better is left out");
    route = co_await delivery::find_targets(resolver, map.identity, hop.hosts, hop.port, rng);
  }
  if (route.targets.empty()) out.say("tries", route.failure.text + " (" + route.failure.status + ")");
  for (const delivery::Target& target : route.targets) {
    const bool reached = hop.egress.reaches(target.endpoint.ip);
    out.say("tries", fmt::format("{} {}{}", target.host, target.endpoint.text(),
                                 reached ? "" : " (the route has no source address for it)"));
  }
  co_await explain_tls(hop, policies, route, out);
}

net::Task<> explain_route(const delivery::Map& map, const config::Config& config, dns::Resolver& resolver,
                          tlspolicy::MtaSts* mta_sts, const Arguments& arguments, std::string domain,
                          bool bulk, Explanation& out, net::Loop& loop) {
  const SystemClock clock;
  delivery::TlsPolicies policies(loop, resolver, map, mta_sts);
  delivery::NextHops hops(map, resolver, clock, policies);
  const delivery::RouteChoice& choice = map.routes.choose(arguments.from, arguments.to, domain);
  for (const auto& [name, action] : delivery::option_names(delivery::RouteAction{})) {
    if (action != choice.action) continue;
    out.say("route", fmt::format("{}: {}{}", choice.name, name,
                                 choice.smarthost.empty() ? "" : " " + choice.smarthost));
  }
  if (choice.action == delivery::RouteAction::Expand)
    out.say("members", joined(delivery::members_behind(map.routes, arguments.from, arguments.to)));
  explain_egress(choice.egress, out);
  const bool sends =
      choice.action == delivery::RouteAction::Direct || choice.action == delivery::RouteAction::Smarthost;
  if (config.delivery.mode == delivery::Mode::Sandbox) {
    out.say("route", "delivery.mode is sandbox: nothing leaves, see postern sandbox ls");
  } else if (sends) {
    const std::shared_ptr<const delivery::NextHop> hop = co_await hops.find(choice, domain);
    if (hop->exists()) {
      co_await explain_hosts(map, resolver, policies, *hop, out);
      explain_pace(*hop, config.delivery, bulk, out);
      explain_pace_now(config, *hop, domain, out);
    } else {
      out.say("hosts", fmt::format("{} ({}, {})", hop->hosts.failure.text, hop->hosts.failure.status,
                                   to_string(hop->hosts.failure.decision)));
    }
  }
  loop.stop();
}

Result<> explain(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const config::Config config, load_config(context));
  POSTERN_TRY(const auto directory, open_directory(context));
  const std::size_t at = arguments.to.rfind('@');
  if (at == std::string::npos || arguments.from.find('@') == std::string::npos)
    return fail(Errc::Malformed, "--from and --to are addresses, such as anna@example.org");
  Explanation out;
  POSTERN_TRY(const bool bulk, explain_sender(config, *directory, arguments.from, out));
  POSTERN_TRY(const delivery::Map map, config.map());
  std::string domain = arguments.to.substr(at + 1);
  for (char& c : domain) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  net::Loop loop;
  POSTERN_TRY(const auto resolver, dns::UnboundResolver::create(loop, config.dns));
  const SystemClock clock;
  dns::ResolverLookup lookup;
  lookup.add(loop, *resolver);
  POSTERN_TRY(const auto http, policy_client(config, lookup));
  // A file that the server will own is not made here, by whoever this is.
  const std::string cache = sts_cache_path(config);
  POSTERN_TRY(const auto mta_sts,
              open_mta_sts(config, std::filesystem::exists(cache) ? cache : ":memory:", *http, clock));
  loop.spawn(
      explain_route(map, config, *resolver, mta_sts.get(), arguments, std::move(domain), bulk, out, loop));
  loop.run();
  out.print(context.json);
  return {};
}

}  // namespace

void add_explain_command(CLI::App& app, Context& context) {
  static Arguments arguments;
  CLI::App* verb =
      app.add_subcommand("explain", "Route, TLS, limits, key and pace of a mail, without sending it");
  verb->add_option("--from", arguments.from, "Envelope sender")->required();
  verb->add_option("--to", arguments.to, "Recipient")->required();
  verb->callback([&context] { report(context, explain(context, arguments)); });
}

}  // namespace postern::app::cli
