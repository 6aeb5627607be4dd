#pragma once

#include "base/options.h"
#include "base/result.h"
#include "delivery/reply_rules.h"
#include "dns/resolver.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace postern::delivery {

/// "500/1m": at most `messages` in `window`; no messages: no limit.
struct Rate {
  std::uint32_t messages = 0;
  std::chrono::milliseconds window{0};
  friend bool operator==(const Rate&, const Rate&) = default;
};
/// Error: Malformed. Units s, m, h, d.
[[nodiscard]] Result<Rate> parse_rate(std::string_view text);

/// What a large receiver wants from who sends to it: the table [provider.NAME], shipped in
/// config/providers.toml and extended or overridden in the configuration. 0 and "" mean the general value.
struct Provider {
  std::vector<std::string> mx;
  std::uint32_t max_connections = 0;
  std::uint32_t max_messages_per_connection = 0;
  std::string rate;
  std::vector<std::string> replies;

  /// Malformed: no mx, a bad rate or a bad reply rule.
  [[nodiscard]] Result<> validate() const;
  /// Whether the value of `key` can be meant. Malformed: why not.
  [[nodiscard]] Result<> check(std::string_view key) const;

  static auto fields() {
    return std::tuple{
        field("mx", &Provider::mx, Reload::Live,
              "Names of its mail hosts; \"*.example.net\" is everything below. All domains there share one "
              "budget."),
        field("max_connections", &Provider::max_connections, 0, 1000, Reload::Live,
              "Connections at once; 0: delivery.max_connections."),
        field("max_messages_per_connection", &Provider::max_messages_per_connection, 0, 100'000, Reload::Live,
              "Messages over one connection; 0: delivery.max_messages_per_connection."),
        field("rate", &Provider::rate, Reload::Live,
              "Messages in a window of time, such as \"500/1m\"; empty: no limit."),
        field("replies", &Provider::replies, Reload::Live,
              "What its replies mean: CODE [STATUS] [\"TEXT\"] -> slow|wait|fail|retry [TIME]; the first "
              "that fits."),
    };
  }
};

/// A provider made ready: what one site, or several that share a budget, must keep to.
struct Courtesy {
  std::string name;  ///< of the provider or smarthost; "" for the general values
  std::uint32_t max_connections = 20;
  std::uint32_t max_messages_per_connection = 100;
  Rate rate;
  std::vector<ReplyRule> replies;
};

/// All providers of the configuration.
class Providers {
 public:
  Providers() = default;
  /// `general`: for who is no provider, and where a provider says nothing. Errors: as Provider::validate(),
  /// naming the provider.
  [[nodiscard]] static Result<Providers> make(const std::map<std::string, Provider>& tables,
                                              const Courtesy& general);

  /// That of the first provider that runs all of `hosts`, or the general one. Lives as long as this.
  [[nodiscard]] const Courtesy& of(const std::vector<dns::MxHost>& hosts) const;
  [[nodiscard]] const Courtesy& general() const { return general_; }

 private:
  struct Known {
    std::vector<std::string> mx;
    Courtesy courtesy;
  };
  std::vector<Known> known_;
  Courtesy general_;
};

}  // namespace postern::delivery
