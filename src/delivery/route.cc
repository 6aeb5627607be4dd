#include "delivery/route.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace postern::delivery {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  if (a.ends_with('.')) a.remove_suffix(1);
  if (b.ends_with('.')) b.remove_suffix(1);
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

Route nowhere(Decision decision, const char* status, std::string text) {
  return Route{{}, local_outcome(decision, status, std::move(text))};
}

/// "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 §4.1.3).
Result<net::IpAddress> parse_literal(std::string_view domain) {
  if (domain.size() < 3 || domain.front() != '[' || domain.back() != ']') {
    return fail(Errc::Malformed, "not an address literal");
  }
  std::string_view inner = domain.substr(1, domain.size() - 2);
  constexpr std::string_view kTag = "ipv6:";
  if (same_name(inner.substr(0, kTag.size()), kTag)) inner.remove_prefix(kTag.size());
  return net::IpAddress::parse(inner);
}

/// What address lookups of a list of hosts came to.
struct Lookups {
  bool unavailable = false;
  std::string last_error;
};

Route no_target(const std::string& domain, bool implicit, bool loop, const Lookups& lookups) {
  if (loop)
    return nowhere(Decision::Failed, "5.4.6",
                   "the address of " + domain + " is this server's: mail would loop");
  if (lookups.unavailable) return nowhere(Decision::Retry, "4.4.3", "DNS: " + lookups.last_error);
  if (implicit)
    return nowhere(Decision::Failed, "5.1.2", "the domain " + domain + " has neither MX nor address");
  return nowhere(Decision::Failed, "5.4.4", "no mail host has an address: " + domain);
}

/// RFC 5321 §5.1: ourselves in the list, and all that are not better, are no way forward.
void drop_from(HostList& hosts, std::uint16_t preference) {
  hosts.loop = true;
  std::erase_if(hosts.hosts, [preference](const dns::MxHost& h) { return h.preference >= preference; });
}

net::Task<Result<dns::AddressAnswer>> addresses_of(dns::Resolver& resolver, std::string host) {
  if (host.starts_with('[')) {
    POSTERN_CO_TRY(const net::IpAddress ip, parse_literal(host));
    co_return dns::AddressAnswer{{ip}, false};
  }
  Result<dns::AddressAnswer> found = co_await resolver.addresses(std::move(host));
  co_return found;
}

net::Task<std::vector<Target>> look_up(dns::Resolver& resolver, const Identity& self, HostList& hosts,
                                       std::uint16_t port, Lookups& lookups) {
  std::vector<Target> targets;
  std::vector<std::uint16_t>
      preferences;  // of targets, to take back those that are not better than ourselves
  for (std::size_t i = 0; i < hosts.hosts.size() && targets.size() < kMaxTargets; ++i) {
    const dns::MxHost host = hosts.hosts[i];
    Result<dns::AddressAnswer> found = co_await addresses_of(resolver, host.host);
    if (!found) {
      lookups.unavailable |= found.error().code != Errc::NotFound;
      lookups.last_error = found.error().detail;
      continue;
    }
    const bool ours = std::ranges::any_of(found->ips, [&](const net::IpAddress& ip) {
      return std::ranges::find(self.own_addresses, ip) != self.own_addresses.end();
    });
    if (ours) {
      drop_from(hosts, host.preference);
      while (!preferences.empty() && preferences.back() >= host.preference) {
        preferences.pop_back();
        targets.pop_back();
      }
      break;
    }
    for (const net::IpAddress& ip : found->ips) {
      if (targets.size() == kMaxTargets) break;
      targets.push_back({host.host, {ip, port}});
      preferences.push_back(host.preference);
    }
  }
  co_return targets;
}

}  // namespace

net::Task<HostList> find_hosts(dns::Resolver& resolver, const Identity& self, std::string domain) {
  HostList out;
  const auto nowhere_because = [&out](Decision decision, const char* status, std::string text) {
    out.hosts.clear();
    out.failure = local_outcome(decision, status, std::move(text));
  };
  if (domain.starts_with('[')) {
    out.hosts.push_back({0, domain});
    if (!parse_literal(domain)) nowhere_because(Decision::Failed, "5.1.2", "bad address literal " + domain);
    co_return out;
  }
  Result<dns::MxAnswer> answer = co_await resolver.mx(domain);
  if (!answer) {
    const bool missing = answer.error().code == Errc::NotFound;
    nowhere_because(missing ? Decision::Failed : Decision::Retry, missing ? "5.1.2" : "4.4.3",
                    missing ? "the domain " + domain + " does not exist" : "DNS: " + answer.error().detail);
    co_return out;
  }
  if (answer->null_mx) {  // RFC 7505 §3: no look-up of addresses, no retry
    nowhere_because(Decision::Failed, "5.1.10", "the domain " + domain + " accepts no mail");
    co_return out;
  }
  out.secure = answer->secure;
  out.canonical = answer->canonical;
  out.implicit = answer->hosts.empty();
  out.hosts = std::move(answer->hosts);
  if (out.implicit) out.hosts.push_back({0, domain});
  std::ranges::sort(out.hosts, {}, [](const dns::MxHost& h) { return std::pair(h.preference, h.host); });
  const auto us =
      std::ranges::find_if(out.hosts, [&](const dns::MxHost& h) { return same_name(h.host, self.hostname); });
  if (us != out.hosts.end()) drop_from(out, us->preference);
  if (out.hosts.empty())
    nowhere_because(Decision::Failed, "5.4.6",
                    "this server is the best mail host of " + domain + ": mail would loop");
  co_return out;
}

std::string HostList::site() const {
  std::string out;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (i > 0) out += hosts[i].preference == hosts[i - 1].preference ? "=" : ">";
    out += hosts[i].host;
  }
  return out;
}

net::Task<Route> find_targets(dns::Resolver& resolver, const Identity& self, HostList hosts,
                              std::uint16_t port, Rng& rng) {
  std::ranges::shuffle(hosts.hosts, rng);
  std::ranges::stable_sort(hosts.hosts, {}, &dns::MxHost::preference);
  const std::string first = hosts.hosts.front().host;
  Lookups lookups;
  Route route;
  route.targets = co_await look_up(resolver, self, hosts, port, lookups);
  if (route.targets.empty()) {
    co_return no_target(first, hosts.implicit, hosts.loop && !lookups.unavailable, lookups);
  }
  co_return route;
}

std::chrono::seconds connect_patience(const std::vector<Target>& targets, std::size_t i) {
  constexpr std::chrono::seconds kHeadStart{3};
  const Target& first = targets[i];
  const auto behind = targets.begin() + static_cast<std::ptrdiff_t>(i) + 1;
  const bool other_way = std::any_of(behind, targets.end(), [&](const Target& t) {
    return t.host == first.host && t.endpoint.ip.is_v6() != first.endpoint.ip.is_v6();
  });
  return other_way ? kHeadStart : std::chrono::seconds{0};
}

net::Task<Route> find_route(dns::Resolver& resolver, const Identity& self, std::string domain,
                            std::uint16_t port, Rng& rng) {
  HostList hosts = co_await find_hosts(resolver, self, std::move(domain));
  if (hosts.hosts.empty()) co_return Route{{}, std::move(hosts.failure)};
  Route route = co_await find_targets(resolver, self, std::move(hosts), port, rng);
  co_return route;
}

net::Task<Route> find_relay(dns::Resolver& resolver, std::string host, std::uint16_t port) {
  if (const Result<net::IpAddress> ip = net::IpAddress::parse(host); ip) {
    co_return Route{{Target{host, {*ip, port}}}, {}};
  }
  Result<dns::AddressAnswer> found = co_await resolver.addresses(host);
  // The relay is our own configuration: a wrong name must not send mail back to its senders.
  if (!found) co_return nowhere(Decision::Retry, "4.4.3", "smarthost " + host + ": " + found.error().detail);
  Route route;
  for (const net::IpAddress& ip : found->ips) route.targets.push_back({host, {ip, port}});
  if (route.targets.empty())
    co_return nowhere(Decision::Retry, "4.4.4", "smarthost " + host + " has no address");
  co_return route;
}

}  // namespace postern::delivery
