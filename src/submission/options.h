#pragma once

#include "base/bytes.h"
#include "base/options.h"
#include "base/result.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace postern::submission {

/// The table [submission].
struct Options {
  Bytes max_message{std::uint64_t{50} << 20U};
  std::uint32_t max_recipients = 1000;
  std::uint32_t max_messages_per_connection = 0;
  std::uint32_t max_connections = 10'000;
  std::uint32_t max_connections_per_network = 100;
  std::uint32_t max_errors = 20;
  std::uint32_t max_auth_failures = 3;
  std::chrono::seconds command_timeout{300};
  std::chrono::seconds handshake_timeout{30};
  std::chrono::seconds data_timeout{180};
  Bytes min_data_rate{100};
  std::chrono::seconds transaction_timeout{7200};
  std::chrono::seconds login_timeout{600};
  std::chrono::seconds max_hold{30 * 86400};
  std::vector<std::string> proxy_networks;
  std::string postmaster;

  /// Whether the value of `key` can be meant; what bounds cannot say.
  [[nodiscard]] Result<> check(std::string_view key) const;

  static auto fields() {
    using namespace literals;
    using std::chrono::seconds;
    constexpr seconds kHour{3600};
    return std::tuple{
        field("max_message", &Options::max_message, 64_KiB, 1_GiB, Reload::Live,
              "Largest message; announced as SIZE (RFC 1870)."),
        field("max_recipients", &Options::max_recipients, 100, 100'000, Reload::Live,
              "Recipients of one message; RFC 5321 §4.5.3.1.8 forbids fewer than 100."),
        field("max_messages_per_connection", &Options::max_messages_per_connection, 0, 999'999, Reload::Live,
              "MAIL commands that one connection may give, announced as MAILMAX (RFC 9422); 0: as many as it "
              "likes."),
        field("max_connections", &Options::max_connections, 1, 1'000'000, Reload::Live,
              "Client connections in all."),
        field("max_connections_per_network", &Options::max_connections_per_network, 1, 1'000'000,
              Reload::Live, "Connections from one IPv4 address or IPv6 /64."),
        field("max_errors", &Options::max_errors, 3, 1000, Reload::Live,
              "Commands against the protocol (500-504, 530, 555) before a connection is closed; refused "
              "addresses are none."),
        field("max_auth_failures", &Options::max_auth_failures, 3, 100, Reload::Live,
              "Failed logins before a connection is closed; RFC 4954 §9 asks for at least 3."),
        field("command_timeout", &Options::command_timeout, seconds{1}, kHour, Reload::Live,
              "Wait for a command; RFC 5321 §4.5.3.2.7 asks for at least 5 minutes."),
        field("handshake_timeout", &Options::handshake_timeout, seconds{1}, kHour, Reload::Live,
              "Wait for a TLS handshake."),
        field("data_timeout", &Options::data_timeout, seconds{1}, kHour, Reload::Live,
              "Wait for more of a message; RFC 5321 §4.5.3.2.5 asks for 3 minutes."),
        field("min_data_rate", &Options::min_data_rate, 0_B, 1_MiB, Reload::Live,
              "Octets a second that a message has to bring on average, after the first data_timeout."),
        field("transaction_timeout", &Options::transaction_timeout, seconds{1}, seconds{86'400}, Reload::Live,
              "Most time from MAIL to the end of the message, however busy the client is meanwhile."),
        field("login_timeout", &Options::login_timeout, seconds{1}, kHour, Reload::Live,
              "How long a client may stay without a successful login."),
        field("max_hold", &Options::max_hold, seconds{0}, seconds{366 * 86400}, Reload::Live,
              "How far ahead a message may be scheduled with FUTURERELEASE (RFC 4865); 0: not at all."),
        field(
            "proxy_networks", &Options::proxy_networks, Reload::Restart,
            "Load balancers, as addresses or networks: each connection from there begins with a PROXY header "
            "(version 1 or 2), and nobody else's is believed."),
        field("postmaster", &Options::postmaster, Reload::Live,
              "Where mail for <postmaster> without domain goes."),
    };
  }
};

}  // namespace postern::submission
