#pragma once

#include "base/bytes.h"
#include "base/options.h"
#include "base/result.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace postern::delivery {

/// Where outgoing mail goes: to the MX of each recipient's domain, all of it to one relay, or into files.
enum class Mode { Direct, Smarthost, Sandbox };
constexpr auto option_names(Mode) {
  return std::array{std::pair{"direct", Mode::Direct}, std::pair{"smarthost", Mode::Smarthost},
                    std::pair{"sandbox", Mode::Sandbox}};
}

/// What STARTTLS must achieve before mail flows.
enum class TlsPolicy {
  None,           ///< never ask for TLS
  Opportunistic,  ///< TLS with any certificate when offered, else cleartext (RFC 7435)
  Required,       ///< TLS with a certificate that verifies for the host name, else the mail waits
  Dane,           ///< TLS that the host's TLSA records vouch for (RFC 7672), else the mail waits
};
constexpr auto option_names(TlsPolicy) {
  return std::array{std::pair{"none", TlsPolicy::None}, std::pair{"opportunistic", TlsPolicy::Opportunistic},
                    std::pair{"required", TlsPolicy::Required}, std::pair{"dane", TlsPolicy::Dane}};
}

/// Who puts the DKIM signature on outgoing mail.
enum class Signing {
  Domain,  ///< we do, with the key of the From domain; mail of a domain without a key is not accepted
  None,    ///< the relay does, with keys of its own
};
constexpr auto option_names(Signing) {
  return std::array{std::pair{"domain", Signing::Domain}, std::pair{"none", Signing::None}};
}

/// One relay that takes our mail: the table [smarthost.NAME].
struct Smarthost {
  std::string preset;
  std::string host;
  std::uint16_t port = 587;
  TlsPolicy tls = TlsPolicy::Required;
  std::string user;
  std::string password_file;
  std::string oauth_token_url;
  std::string oauth_client_id;
  std::string oauth_client_secret_file;
  std::string oauth_refresh_token_file;
  std::string oauth_scope;
  std::string ca_file;
  std::uint32_t max_connections = 0;
  std::string rate;
  std::vector<std::string> replies;

  /// Malformed: no host, a user without a password file, or a password that would travel without verified
  /// TLS.
  [[nodiscard]] Result<> validate() const;
  /// Whether the value of `key` can be meant. Malformed: why not.
  [[nodiscard]] Result<> check(std::string_view key) const;

  static auto fields() {
    return std::tuple{
        field("preset", &Smarthost::preset, Reload::Live,
              "Begin with what is known of ses, gmail, m365, mailgun, postmark, sendgrid or generic."),
        field("host", &Smarthost::host, Reload::Live, "Name or address of the relay."),
        field("port", &Smarthost::port, 1, 65535, Reload::Live, "TCP port of the relay."),
        field("tls", &Smarthost::tls, Reload::Live,
              "none, opportunistic, required (verified certificate) or dane (TLSA records of the host, RFC "
              "7672)."),
        field("user", &Smarthost::user, Reload::Live,
              "Name for AUTH; empty: no AUTH. Needs tls = required or dane."),
        field("password_file", &Smarthost::password_file, Reload::Live,
              "File whose first line is the password."),
        field(
            "oauth_token_url", &Smarthost::oauth_token_url, Reload::Live,
            "Log in with OAuth 2.0 (XOAUTH2, OAUTHBEARER): where access tokens come from, an https:// URL."),
        field("oauth_client_id", &Smarthost::oauth_client_id, Reload::Live, "As whom tokens are asked for."),
        field("oauth_client_secret_file", &Smarthost::oauth_client_secret_file, Reload::Live,
              "File whose first line is the client's secret."),
        field(
            "oauth_refresh_token_file", &Smarthost::oauth_refresh_token_file, Reload::Live,
            "File whose first line is a refresh token; empty: the client's own right (client credentials)."),
        field("oauth_scope", &Smarthost::oauth_scope, Reload::Live,
              "What the token is for, as the service says; may be empty."),
        field("ca_file", &Smarthost::ca_file, Reload::Live, "PEM file of trusted CAs; empty: the system's."),
        field("max_connections", &Smarthost::max_connections, 0, 1000, Reload::Live,
              "Connections at once; 0: delivery.max_connections."),
        field("rate", &Smarthost::rate, Reload::Live,
              "Messages in a window of time, such as \"14/1s\" or \"2000/1d\"; empty: no limit."),
        field("replies", &Smarthost::replies, Reload::Live, "What its replies mean, as in [provider.NAME]."),
    };
  }
};

/// The table [delivery].
struct Options {
  Mode mode = Mode::Direct;
  std::string smarthost;
  std::uint16_t port = 25;
  TlsPolicy tls = TlsPolicy::Opportunistic;
  Signing sign = Signing::Domain;

  std::uint32_t max_active = 2000;
  std::uint32_t max_connections = 20;
  std::uint32_t max_messages_per_connection = 100;
  std::uint32_t max_recipients = 100;
  std::chrono::seconds idle_timeout{5};
  std::chrono::seconds dead_host_memory{30};

  std::chrono::seconds connect_timeout{30};
  std::chrono::seconds banner_timeout{300};
  std::chrono::seconds command_timeout{300};
  std::chrono::seconds data_timeout{120};
  std::chrono::seconds block_timeout{180};
  std::chrono::seconds final_timeout{600};
  std::chrono::seconds quit_timeout{10};

  std::chrono::seconds first_retry{1800};
  std::chrono::seconds longest_retry{4 * 3600};
  std::chrono::seconds give_up_after{5 * 24 * 3600};
  std::chrono::seconds bulk_first_retry{1800};
  std::chrono::seconds bulk_give_up_after{5 * 24 * 3600};
  std::chrono::seconds delay_notice_after{4 * 3600};

  /// Malformed: first_retry longer than longest_retry, smarthost mode without a name, or mail to MX hosts
  /// without a signature.
  [[nodiscard]] Result<> validate() const;

  static auto fields() {
    using std::chrono::seconds;
    constexpr seconds kHour{3600};
    constexpr seconds kDay = 24 * kHour;
    return std::tuple{
        field("mode", &Options::mode, Reload::Live, "direct (MX), smarthost (one relay) or sandbox (files)."),
        field("smarthost", &Options::smarthost, Reload::Live,
              "Which [smarthost.NAME] table mode = smarthost uses."),
        field("port", &Options::port, 1, 65535, Reload::Live, "Port of MX hosts in direct mode; for tests."),
        field("tls", &Options::tls, Reload::Live,
              "TLS towards MX hosts: none, opportunistic, required (verified certificate) or dane (TLSA "
              "records). "
              "Opportunistic is raised by what a domain asks for, see [tls_policies]."),
        field(
            "sign", &Options::sign, Reload::Live,
            "domain (DKIM with the From domain's key) or none: only for a smarthost that signs itself. With "
            "none, mail of domains without a key is accepted too."),
        field("max_active", &Options::max_active, 10, 100'000, Reload::Restart,
              "Messages being delivered at once; the rest wait on disk."),
        field("max_connections", &Options::max_connections, 1, 1000, Reload::Live,
              "Connections at once to one destination."),
        field("max_messages_per_connection", &Options::max_messages_per_connection, 1, 100'000, Reload::Live,
              "Messages sent over one connection before it is closed."),
        field("max_recipients", &Options::max_recipients, 1, 100, Reload::Live,
              "Recipients in one transaction; RFC 5321 §4.5.3.1.8 lets a server stop at 100."),
        field("idle_timeout", &Options::idle_timeout, seconds{0}, seconds{300}, Reload::Live,
              "How long a connection waits for more mail to the same destination."),
        field("dead_host_memory", &Options::dead_host_memory, seconds{0}, kHour, Reload::Live,
              "How long a host that could not be reached is not tried again."),
        field("connect_timeout", &Options::connect_timeout, seconds{1}, seconds{300}, Reload::Live,
              "Wait for the TCP connection, per address."),
        field("banner_timeout", &Options::banner_timeout, seconds{1}, kHour, Reload::Live,
              "Wait for the 220 banner; RFC 5321 §4.5.3.2.1 asks for 5 minutes."),
        field("command_timeout", &Options::command_timeout, seconds{1}, kHour, Reload::Live,
              "Wait for the reply to EHLO, MAIL, RCPT; RFC 5321 §4.5.3.2.2 and .3 ask for 5 minutes."),
        field("data_timeout", &Options::data_timeout, seconds{1}, kHour, Reload::Live,
              "Wait for the 354 after DATA; RFC 5321 §4.5.3.2.4 asks for 2 minutes."),
        field("block_timeout", &Options::block_timeout, seconds{1}, kHour, Reload::Live,
              "Time to send one block of data; RFC 5321 §4.5.3.2.5 asks for 3 minutes."),
        field("final_timeout", &Options::final_timeout, seconds{1}, kHour, Reload::Live,
              "Wait for the reply after the final dot; RFC 5321 §4.5.3.2.6 asks for 10 minutes."),
        field("quit_timeout", &Options::quit_timeout, seconds{0}, seconds{300}, Reload::Live,
              "Wait for the reply to QUIT."),
        field("first_retry", &Options::first_retry, seconds{1}, kDay, Reload::Live,
              "Wait after the first failure; RFC 5321 §4.5.4.1 asks for 30 minutes or more."),
        field("longest_retry", &Options::longest_retry, seconds{1}, kDay, Reload::Live,
              "The wait doubles with each failure up to this."),
        field(
            "give_up_after", &Options::give_up_after, seconds{1}, 30 * kDay, Reload::Live,
            "Age at which undelivered mail goes back to its sender; RFC 5321 §4.5.4.1 asks for 4 to 5 days."),
        field("bulk_first_retry", &Options::bulk_first_retry, seconds{1}, kDay, Reload::Live,
              "first_retry for accounts of class bulk."),
        field("bulk_give_up_after", &Options::bulk_give_up_after, seconds{1}, 30 * kDay, Reload::Live,
              "give_up_after for accounts of class bulk."),
        field("delay_notice_after", &Options::delay_notice_after, seconds{0}, 30 * kDay, Reload::Live,
              "Age at which the sender is told, once, that mail is late and why; 0s: never."),
    };
  }
};

}  // namespace postern::delivery
