#include "app/cli/common.h"
#include "app/cli/tls_words.h"
#include "app/tls_policies.h"
#include "delivery/next_hop.h"
#include "delivery/tls_decision.h"
#include "dns/unbound_resolver.h"
#include "tlspolicy/report_uris.h"
#include "tlspolicy/session_log.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <cctype>
#include <filesystem>
#include <iostream>

/// postern tls policies | reports | show DOMAIN: what other domains want of TLS, and what they are told about it.
namespace postern::app::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kShown = 10'000;

struct Arguments {
  std::string domain;
};

std::string shown_day(tlspolicy::Day day) { return shown(TimePoint{day.time_since_epoch()}).substr(0, 10); }

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// The policies a server has fetched; none when there is no such file. Who asks becomes the owner of the data first.
Result<std::vector<tlspolicy::CachedPolicy>> cached_policies(const config::Config& config) {
  const std::string path = sts_cache_path(config);
  if (!std::filesystem::exists(path)) return std::vector<tlspolicy::CachedPolicy>();
  POSTERN_TRY(const auto cache, tlspolicy::StsCache::open(path));
  return cache->all(SystemClock().now(), kShown);
}

json::object policy_json(const tlspolicy::CachedPolicy& cached) {
  json::object out{{"domain", cached.domain},
                   {"id", cached.id},
                   {"fetched_at", shown(cached.fetched_at)},
                   {"expires_at", shown(cached.expires_at)}};
  if (const Result<tlspolicy::StsPolicy> policy = tlspolicy::parse_sts_policy(cached.text)) {
    out["mode"] = to_string(policy->mode);
    out["mx"] = json::array(policy->mx.begin(), policy->mx.end());
  }
  return out;
}

void print_policy(const json::object& policy) {
  std::string mx;
  if (const json::value* hosts = policy.if_contains("mx")) {
    for (const json::value& host : hosts->as_array())
      mx += (mx.empty() ? "" : ", ") + std::string(host.as_string());
  }
  const json::value* mode = policy.if_contains("mode");
  std::cout << fmt::format(
      "{}  {}  mx {}  fetched {}  expires {}\n", std::string(policy.at("domain").as_string()),
      mode == nullptr ? "?" : std::string(mode->as_string()), mx.empty() ? "-" : mx,
      std::string(policy.at("fetched_at").as_string()), std::string(policy.at("expires_at").as_string()));
}

Result<> policies(const Context& context) {
  POSTERN_TRY(const config::Config config, load_config(context));
  POSTERN_CHECK(act_as_owner_of(config.data_dir));
  POSTERN_TRY(const auto all, cached_policies(config));
  json::array out;
  for (const tlspolicy::CachedPolicy& each : all) out.push_back(policy_json(each));
  if (context.json) {
    std::cout << json::serialize(out) << '\n';
    return {};
  }
  for (const json::value& each : out) print_policy(each.as_object());
  if (out.empty()) std::cerr << "No MTA-STS policy is cached.\n";
  return {};
}

json::object pending_json(const tlspolicy::PendingReport& pending) {
  json::object out{{"state", "pending"},
                   {"day", shown_day(pending.report.day)},
                   {"domain", pending.report.domain},
                   {"sessions", pending.sessions},
                   {"failures", pending.failures},
                   {"attempts", pending.report.attempts}};
  if (pending.next_try) out["next_try"] = shown(*pending.next_try);
  return out;
}

json::object past_json(const tlspolicy::PastReport& past) {
  return {{"state", past.sent ? "sent" : "given up"},
          {"day", shown_day(past.day)},
          {"domain", past.domain},
          {"at", shown(past.ended)},
          {"detail", past.detail}};
}

std::string line_of(const json::object& report) {
  const auto text = [&report](const char* key) { return std::string(report.at(key).as_string()); };
  const std::string begin = fmt::format("{}  {}  {}", text("day"), text("domain"), text("state"));
  if (report.contains("at")) return fmt::format("{}  {}  {}", begin, text("at"), text("detail"));
  return fmt::format("{}  {} sessions, {} of them failed{}", begin, json::serialize(report.at("sessions")),
                     json::serialize(report.at("failures")),
                     report.contains("next_try") ? "  not sent yet, next try " + text("next_try") : "");
}

Result<> reports(const Context& context) {
  POSTERN_TRY(const config::Config config, load_config(context));
  POSTERN_CHECK(act_as_owner_of(config.data_dir));
  json::array out;
  if (const std::string path = tls_sessions_path(config); std::filesystem::exists(path)) {
    POSTERN_TRY(const auto log, tlspolicy::SessionLog::open(path));
    POSTERN_TRY(const auto past, log->past(kShown));
    POSTERN_TRY(const auto pending, log->pending(kShown));
    for (const tlspolicy::PastReport& each : past) out.push_back(past_json(each));
    for (const tlspolicy::PendingReport& each : pending) out.push_back(pending_json(each));
  }
  if (context.json) {
    std::cout << json::serialize(out) << '\n';
    return {};
  }
  for (const json::value& each : out) std::cout << line_of(each.as_object()) << '\n';
  if (out.empty()) std::cerr << "No session was counted for a report.\n";
  return {};
}

/// What DNS and the policy of a domain say now.
net::Task<> ask_domain(const delivery::Map& map, dns::Resolver& resolver, tlspolicy::MtaSts* mta_sts,
                       net::Loop& loop, std::string domain, json::object& out) {
  const SystemClock clock;
  delivery::TlsPolicies policies(loop, resolver, map, mta_sts);
  delivery::NextHops hops(map, resolver, clock, policies);
  delivery::RouteChoice direct;
  const std::shared_ptr<const delivery::NextHop> hop = co_await hops.find(direct, domain);
  out["dnssec"] = hop->hosts.secure;
  json::array hosts;
  if (!hop->exists()) out["problem"] = hop->hosts.failure.text;
  for (const dns::MxHost& host : hop->hosts.hosts) {
    const delivery::Target target{host.host, {}};
    const Result<delivery::TlsDecision> tls = co_await policies.of_host(*hop, target);
    hosts.push_back(json::object{{"host", host.host}, {"tls", shown_tls(tls)}});
  }
  out["hosts"] = std::move(hosts);
  if (hop->tls.sts && !hop->tls.sts->why.empty()) out["mta_sts_problem"] = hop->tls.sts->why;
  const Result<std::vector<std::string>> txt = co_await resolver.txt("_smtp._tls." + domain);
  json::array wanted;
  if (txt) {
    const tlspolicy::ReportUris uris = tlspolicy::parse_report_uris(*txt);
    for (const std::string& each : uris.mail) wanted.emplace_back("mailto:" + each);
    for (const std::string& each : uris.https) wanted.emplace_back(each);
  }
  out["reports_to"] = std::move(wanted);
  loop.stop();
}

void print_domain(const json::object& found) {
  const bool signed_ = found.at("dnssec").as_bool();
  std::cout << "dnssec    " << (signed_ ? "vouches for the mail hosts" : "does not vouch for the mail hosts")
            << '\n';
  if (const json::value* problem = found.if_contains("problem"))
    std::cout << "problem   " << std::string(problem->as_string()) << '\n';
  for (const json::value& host : found.at("hosts").as_array())
    std::cout << "host      " << std::string(host.at("host").as_string()) << ": "
              << std::string(host.at("tls").as_string()) << '\n';
  if (const json::value* policy = found.if_contains("mta_sts")) {
    std::cout << "mta-sts   ";
    print_policy(policy->as_object());
  } else {
    std::cout << "mta-sts   no policy\n";
  }
  if (const json::value* problem = found.if_contains("mta_sts_problem"))
    std::cout << "problem   " << std::string(problem->as_string()) << '\n';
  for (const json::value& to : found.at("reports_to").as_array())
    std::cout << "reports   " << std::string(to.as_string()) << '\n';
}

Result<> show(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const config::Config config, load_config(context));
  POSTERN_TRY(const delivery::Map map, config.map());
  POSTERN_CHECK(act_as_owner_of(config.data_dir));
  const std::string domain = lower(arguments.domain.substr(arguments.domain.rfind('@') + 1));
  net::Loop loop;
  POSTERN_TRY(const auto resolver, dns::UnboundResolver::create(loop, config.dns));
  const SystemClock clock;
  dns::ResolverLookup lookup;
  lookup.add(loop, *resolver);
  POSTERN_TRY(const auto http, policy_client(config, lookup));
  const std::string cache = sts_cache_path(config);  // a file that the server will own is not made here
  POSTERN_TRY(const auto mta_sts,
              open_mta_sts(config, std::filesystem::exists(cache) ? cache : ":memory:", *http, clock));
  json::object found{{"domain", domain}};
  loop.spawn(ask_domain(map, *resolver, mta_sts.get(), loop, domain, found));
  loop.run();
  POSTERN_TRY(const auto cached, cached_policies(config));
  for (const tlspolicy::CachedPolicy& each : cached) {
    if (each.domain == domain) found["mta_sts"] = policy_json(each);
  }
  if (context.json) {
    std::cout << json::serialize(found) << '\n';
  } else {
    print_domain(found);
  }
  return {};
}

}  // namespace

void add_tls_commands(CLI::App& app, Context& context) {
  static Arguments arguments;
  CLI::App* noun =
      app.add_subcommand("tls", "What other domains want of TLS, and what they are told about it")
          ->require_subcommand(1);
  noun->add_subcommand("policies", "MTA-STS policies that were fetched and hold")->callback([&context] {
    report(context, policies(context));
  });
  noun->add_subcommand("reports", "TLS reports to domains: sent, given up, and counted for the next")
      ->callback([&context] { report(context, reports(context)); });
  CLI::App* showing =
      noun->add_subcommand("show", "DNSSEC, DANE, MTA-STS and reports of a domain, asked now");
  showing->add_option("domain", arguments.domain, "A domain, or an address in it")->required();
  showing->callback([&context] { report(context, show(context, arguments)); });
}

}  // namespace postern::app::cli
