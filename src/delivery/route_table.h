#pragma once

#include "base/options.h"
#include "base/result.h"
#include "delivery/options.h"
#include "net/endpoint.h"

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace postern::delivery {

/// What a route does with mail.
enum class RouteAction { Direct, Smarthost, Discard, Hold, Expand };
constexpr auto option_names(RouteAction) {
  return std::array{std::pair{"direct", RouteAction::Direct}, std::pair{"smarthost", RouteAction::Smarthost},
                    std::pair{"discard", RouteAction::Discard}, std::pair{"hold", RouteAction::Hold},
                    std::pair{"expand", RouteAction::Expand}};
}

/// One exception from delivery.mode: a table [[route]]. The first whose `to` and `from` both fit decides.
struct RouteRule {
  std::string name;
  std::vector<std::string> to;
  std::vector<std::string> from;
  RouteAction action = RouteAction::Direct;
  std::string smarthost;
  std::vector<std::string> members;
  std::string tls;
  std::vector<std::string> source_addresses;
  std::string socks5;
  std::string socks5_user;
  std::string socks5_password_file;

  /// Malformed: smarthost or members without or with the wrong action, a bad address, pattern, proxy or TLS policy.
  [[nodiscard]] Result<> validate() const;

  static auto fields() {
    return std::tuple{
        field("name", &RouteRule::name, Reload::Live, "What trace and explain call it; empty: its number."),
        field("to", &RouteRule::to, Reload::Live,
              "Recipient domains, \"*.example.net\" for everything below, or whole addresses; empty: all."),
        field("from", &RouteRule::from, Reload::Live,
              "Sender domains or whole addresses, \"<>\" for reports; empty: all."),
        field("action", &RouteRule::action, Reload::Live,
              "direct (MX), smarthost, discard (drop without a report), hold (until an operator releases "
              "it) or expand (an alias: on to its members)."),
        field("smarthost", &RouteRule::smarthost, Reload::Live,
              "Which [smarthost.NAME] action = smarthost uses."),
        field("members", &RouteRule::members, Reload::Live,
              "The addresses that action = expand sends mail on to; the sender stays the same."),
        field("tls", &RouteRule::tls, Reload::Live,
              "none, opportunistic, required or dane towards MX hosts, whatever the domain's TLSA records "
              "(but for dane) "
              "and MTA-STS policy say; empty: delivery.tls and what the domain asks for."),
        field("source_addresses", &RouteRule::source_addresses, Reload::Live,
              "Our address to connect from: one IPv4, one IPv6 or both. What has none is not used."),
        field("socks5", &RouteRule::socks5, Reload::Live,
              "ADDRESS:PORT of a SOCKS5 proxy to connect through (RFC 1928). Names are looked up here, the "
              "proxy "
              "gets addresses."),
        field("socks5_user", &RouteRule::socks5_user, Reload::Live,
              "Name for the proxy (RFC 1929); empty: without authentication. It goes over the network in "
              "clear."),
        field("socks5_password_file", &RouteRule::socks5_password_file, Reload::Live,
              "File whose first line is the password for the proxy."),
    };
  }
};

/// A SOCKS5 proxy; without `user` it is asked for no authentication.
struct Socks5Proxy {
  net::Endpoint where;
  std::string user;
  std::string password;
};

/// How connections leave this machine.
struct Egress {
  std::optional<net::IpAddress> source_v4;
  std::optional<net::IpAddress> source_v6;
  std::optional<Socks5Proxy> socks5;
  /// One word for each difference, so that two egresses are the same if and only if it is.
  [[nodiscard]] std::string key() const;
  /// Whether `ip` can be reached by it at all.
  [[nodiscard]] bool reaches(const net::IpAddress& ip) const;
  [[nodiscard]] std::optional<net::IpAddress> source_for(const net::IpAddress& ip) const;
};

/// The name of what happens when no rule fits.
inline constexpr std::string_view kDefaultRoute = "default";

/// What the table says about one recipient of one sender.
struct RouteChoice {
  std::string name{kDefaultRoute};  ///< of the rule
  RouteAction action = RouteAction::Direct;
  std::string smarthost;                  ///< with Smarthost
  std::vector<std::string> members = {};  ///< with Expand
  std::optional<TlsPolicy> tls;           ///< overrides delivery.tls with Direct
  Egress egress;
};

/// The routes of the configuration in their order. Immutable.
class RouteTable {
 public:
  RouteTable() = default;
  /// `otherwise`: what happens to mail no rule fits. Errors: as RouteRule::validate() and read_secret(), naming
  /// the route.
  [[nodiscard]] static Result<RouteTable> make(const std::vector<RouteRule>& rules, RouteChoice otherwise);

  /// The choice for mail from `sender` ("" is <>) to `recipient` at `domain` (lower case). Lives as long as this.
  [[nodiscard]] const RouteChoice& choose(std::string_view sender, std::string_view recipient,
                                          std::string_view domain) const;
  [[nodiscard]] bool empty() const { return entries_.empty(); }

 private:
  struct Entry {
    std::vector<std::string> to;
    std::vector<std::string> from;
    RouteChoice choice;
  };
  std::vector<Entry> entries_;
  RouteChoice otherwise_;
};

}  // namespace postern::delivery
