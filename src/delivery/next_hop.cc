#include "delivery/next_hop.h"

#include <utility>

namespace postern::delivery {
namespace {

/// Mail whose senders want different things of TLS does not share connections.
const char* suffix_of(TlsWish wish) {
  switch (wish) {
    case TlsWish::OfDomain:
      break;
    case TlsWish::Waived:
      return " waived";
    case TlsWish::Protected:
      return " requiretls";
  }
  return "";
}

/// Routes differ, so the same domain may be reached in two ways.
std::string key_of(const RouteChoice& choice, const std::string& domain, TlsWish wish) {
  return choice.name + suffix_of(wish) + "\n" + domain;
}

/// A receiver counts by our address, and a connection cannot change it.
std::string egress_of(const RouteChoice& choice) {
  const std::string key = choice.egress.key();
  return key.empty() ? "" : " " + key;
}

}  // namespace

std::shared_ptr<const NextHop> NextHops::to_relay(const RouteChoice& choice, TlsWish wish) const {
  const Relay& relay = map_.relays.at(choice.smarthost);
  auto hop = std::make_shared<NextHop>();
  hop->budget = "smarthost " + choice.smarthost;
  hop->site = hop->budget + egress_of(choice) + suffix_of(wish);
  hop->wish = wish;
  hop->route = choice.name;
  hop->relay = &relay;
  hop->manners = &relay.manners;
  hop->courtesy = &relay.courtesy;
  hop->egress = choice.egress;
  hop->port = relay.where.port;
  return hop;
}

std::shared_ptr<const NextHop> NextHops::known(const RouteChoice& choice, const std::string& domain,
                                               TlsWish wish) {
  const bool relay = choice.action == RouteAction::Smarthost;
  if (relay && wish == TlsWish::Waived) wish = TlsWish::OfDomain;  // our own smarthost asks for nothing
  const std::string key = key_of(choice, relay ? std::string() : domain, wish);
  const auto found = found_.find(key);
  if (found != found_.end() && clock_.steady_now() < found->second.until) return found->second.hop;
  if (choice.action != RouteAction::Smarthost) return nullptr;
  std::shared_ptr<const NextHop> hop = to_relay(choice, wish);
  found_[key] = {hop, SteadyTime::max()};
  return hop;
}

net::Task<std::shared_ptr<const NextHop>> NextHops::find(const RouteChoice& choice, std::string domain,
                                                         TlsWish wish) {
  if (std::shared_ptr<const NextHop> hop = known(choice, domain, wish)) co_return hop;
  auto hop = std::make_shared<NextHop>();
  hop->hosts = co_await find_hosts(resolver_, map_.identity, domain);
  hop->route = choice.name;
  hop->egress = choice.egress;
  hop->port = map_.port;
  const auto other = choice.tls ? map_.other_manners.find(*choice.tls) : map_.other_manners.end();
  hop->manners = other == map_.other_manners.end() ? &map_.manners : &other->second;
  hop->courtesy = &map_.providers.of(hop->hosts.hosts);
  hop->route_decides_tls = choice.tls.has_value();
  hop->wish = wish;
  const bool kept = wish != TlsWish::Waived;
  if (hop->exists() && kept) hop->tls = co_await tls_.of_destination(domain, hop->hosts, choice.tls);
  const std::string hosts = hop->hosts.site();
  hop->site = hosts + egress_of(choice) + (choice.tls ? " " + choice.name : "");
  hop->site += suffix_of(wish);
  // Domains with the same hosts differ in whether anybody vouches for that (RFC 8689 §4.2.1).
  if (wish == TlsWish::Protected && (hop->hosts.secure || hop->hosts.implicit)) hop->site += " vouched for";
  // A connection that came about by one domain's policy must not carry another domain's mail, nor that of the same
  // domain when it has changed its mind.
  hop->site += hop->tls.key();
  hop->budget = hop->courtesy->name.empty() ? hosts : "provider " + hop->courtesy->name;
  hop->budget += egress_of(choice);
  if (hop->exists()) {
    const SteadyTime now = clock_.steady_now();
    if (found_.size() >= kMax) std::erase_if(found_, [now](const auto& e) { return e.second.until <= now; });
    if (found_.size() >= kMax) found_.clear();
    found_[key_of(choice, domain, wish)] = {hop, now + kFresh};
  }
  co_return hop;
}

}  // namespace postern::delivery
