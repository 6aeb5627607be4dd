#include "delivery/map.h"

#include <utility>

namespace postern::delivery {
namespace {

Result<Relay> make_relay(const std::string& name, const Smarthost& where, const Options& options) {
  Relay relay{.where = where, .manners = {}, .courtesy = {}};
  POSTERN_TRY(relay.manners, make_manners(options, where));
  relay.courtesy.name = name;
  relay.courtesy.max_connections =
      where.max_connections != 0 ? where.max_connections : options.max_connections;
  relay.courtesy.max_messages_per_connection = options.max_messages_per_connection;
  POSTERN_TRY(relay.courtesy.rate, parse_rate(where.rate));
  POSTERN_TRY(relay.courtesy.replies, parse_reply_rules(where.replies));
  return relay;
}

}  // namespace

Result<Map> make_map(const Tables& tables, Identity identity) {
  const Options& options = tables.delivery;
  Map map;
  map.identity = std::move(identity);
  map.port = options.port;
  map.dane = tables.tls_policies.dane;
  POSTERN_TRY(map.manners, make_manners(options, std::nullopt, tables.tls_policies.ca_file));
  for (const auto& [name, policy] : option_names(TlsPolicy{})) {
    Options other = options;
    other.tls = policy;
    POSTERN_TRY(map.other_manners[policy], make_manners(other, std::nullopt, tables.tls_policies.ca_file));
  }
  const Courtesy general{.name = {},
                         .max_connections = options.max_connections,
                         .max_messages_per_connection = options.max_messages_per_connection,
                         .rate = {},
                         .replies = {}};
  POSTERN_TRY(map.providers, Providers::make(tables.providers, general));

  RouteChoice otherwise;
  if (options.mode == Mode::Smarthost) {
    otherwise.action = RouteAction::Smarthost;
    otherwise.smarthost = options.smarthost;
  }
  for (const RouteRule& rule : tables.routes) {
    if (options.sign == Signing::None && rule.action == RouteAction::Direct)
      return fail(Errc::Malformed,
                  "[[route]] with action = \"direct\": delivery.sign = \"none\" would send unsigned mail to "
                  "MX hosts");
  }
  POSTERN_TRY(map.routes, RouteTable::make(tables.routes, otherwise));
  for (const auto& [name, where] : tables.smarthosts) {
    Result<Relay> relay = make_relay(name, where, options);
    if (!relay) return fail(relay.error().code, "[smarthost." + name + "] " + relay.error().detail);
    map.relays.emplace(name, *std::move(relay));
  }
  return map;
}

}  // namespace postern::delivery
