#pragma once

#include "accounts/directory.h"
#include "accounts/dovecot_backend.h"
#include "accounts/ldap_backend.h"
#include "base/log.h"
#include "base/result.h"
#include "delivery/map.h"
#include "delivery/options.h"
#include "delivery/provider.h"
#include "delivery/route_table.h"
#include "dns/unbound_resolver.h"
#include "guard/limits.h"
#include "guard/lockout.h"
#include "guard/watch/watch_book.h"
#include "intake/pipeline.h"
#include "oauth/token_verifier.h"
#include "queue/sqlite_queue.h"
#include "submission/options.h"
#include "tlspolicy/options.h"

#include "scan/options.h"
#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace postern::config {

struct Listen {
  std::vector<std::string> submission{"[::]:587"};
  std::vector<std::string> submissions{"[::]:465"};
  std::vector<std::string> admin{"127.0.0.1:8587"};
  std::vector<std::string> client_certificates;
  /// The addresses; and those with client certificates must be among the others.
  [[nodiscard]] Result<> check(std::string_view key) const;
  [[nodiscard]] Result<> validate() const;
  static auto fields() {
    return std::tuple{
        field("submission", &Listen::submission, Reload::Restart, "Addresses for STARTTLS (port 587)."),
        field("submissions", &Listen::submissions, Reload::Restart, "Addresses for implicit TLS (port 465)."),
        field("client_certificates", &Listen::client_certificates, Reload::Restart,
              "Those of the addresses above, written the same, where clients are asked for a certificate and "
              "may log in "
              "with it (AUTH EXTERNAL, by the mail addresses in it). Needs tls.client_ca."),
        field("admin", &Listen::admin, Reload::Restart, "Addresses for /metrics, /healthz and /readyz."),
    };
  }
};

/// A further certificate: one [[tls.more]].
struct CertificatePair {
  std::string certificate;
  std::string key;
  std::string at;  ///< where it is written: "postern.toml:7"; no option
  static auto fields() {
    return std::tuple{
        field("certificate", &CertificatePair::certificate, Reload::Live,
              "PEM file: a certificate for other names of this host, then its chain. Clients choose by SNI."),
        field("key", &CertificatePair::key, Reload::Live, "PEM file of its private key."),
    };
  }
};

struct Tls {
  std::string certificate;
  std::string key;
  std::string client_ca;
  std::vector<CertificatePair> more;
  std::string certificate_at;  ///< where it is written: "postern.toml:7"; no option
  std::string key_at;
  static auto fields() {
    return std::tuple{
        field("certificate", &Tls::certificate, Reload::Live,
              "PEM file: the certificate, then its chain. Read again when it changes."),
        field("key", &Tls::key, Reload::Live, "PEM file of the private key."),
        field(
            "client_ca", &Tls::client_ca, Reload::Restart,
            "PEM file of the authorities whose client certificates log in; see listen.client_certificates."),
    };
  }
};

struct Log {
  enum class Destination { Stderr, Journald };
  friend constexpr auto option_names(Destination) {
    return std::array{std::pair{"stderr", Destination::Stderr}, std::pair{"journald", Destination::Journald}};
  }
  Destination to = Destination::Stderr;
  log::Level level = log::Level::Info;
  static auto fields() {
    return std::tuple{
        field("to", &Log::to, Reload::Restart, "stderr (JSON lines) or journald."),
        field("level", &Log::level, Reload::Live, "What is left out: everything below this."),
    };
  }
};

/// The limits of one class, of each client address, of each domain, or of all, as written: ["100/1h", "500/1d"].
struct LimitTexts {
  std::vector<std::string> messages;
  std::vector<std::string> recipients;
  std::vector<std::string> first_time;
  [[nodiscard]] const std::vector<std::string>& of(guard::Counted what) const {
    return what == guard::Counted::Messages     ? messages
           : what == guard::Counted::Recipients ? recipients
                                                : first_time;
  }
  static auto fields() {
    return std::tuple{
        field("messages", &LimitTexts::messages, Reload::Live,
              "Messages in rolling windows, e.g. [\"100/1h\", \"500/1d reject\"]; above it mail is deferred, "
              "or delay "
              "or reject says what else."),
        field("recipients", &LimitTexts::recipients, Reload::Live,
              "Recipients in rolling windows; those at our own domains do not count."),
        field("first_time", &LimitTexts::first_time, Reload::Live,
              "Recipients that the account has not written to lately, in rolling windows. Where recipients "
              "is written, "
              "the default is none."),
    };
  }
};

/// The whole configuration.
struct Config {
  std::string hostname;
  std::string data_dir = "/var/lib/postern";
  Listen listen;
  Tls tls;
  Log log;
  accounts::Options accounts;
  accounts::LdapOptions ldap;
  accounts::DovecotOptions dovecot;
  oauth::Options oauth;
  guard::LockoutOptions lockout;
  guard::WatchOptions watch;
  dns::Options dns;
  queue::Options queue;
  queue::HistoryOptions history;
  intake::Options intake;
  scan::Options scan;
  submission::Options submission;
  delivery::Options delivery;
  tlspolicy::Options tls_policies;
  std::map<std::string, delivery::Smarthost> smarthosts;
  std::map<std::string, std::string> smarthost_places;  ///< "file:line:column" of each table, for errors
  std::map<std::string, delivery::Provider> providers;  ///< those shipped, and those of the file
  std::vector<delivery::RouteRule> routes;              ///< [[route]], in their order
  std::map<std::string, LimitTexts> limits{{"person", {{"100/1h", "500/1d"}, {"1000/1d"}, {"500/1d"}}},
                                           {"app", {{}, {"20000/1d"}, {}}},
                                           {"bulk", {{}, {"200000/1d"}, {}}},
                                           {"ip", {}},
                                           {"domain", {}},
                                           {"all", {}}};

  [[nodiscard]] Result<> check(std::string_view key) const;
  static auto fields() {
    return std::tuple{
        field("hostname", &Config::hostname, Reload::Restart,
              "Our fully qualified name, said in the banner and EHLO."),
        field("data_dir", &Config::data_dir, Reload::Restart, "Directory of queue, accounts and history."),
    };
  }
  /// [limits], parsed. Malformed: with the key.
  [[nodiscard]] Result<guard::LimitConfig> limit_config() const;
  /// Where mail goes, made ready; reads password and CA files.
  [[nodiscard]] Result<delivery::Map> map() const;
};

/// Reads the file at `path`. Errors: NotFound; Malformed: "file:line:column: what is wrong", with the nearest
/// valid name.
[[nodiscard]] Result<Config> load(const std::string& path);
/// The same from text; `name` stands for the file in errors.
[[nodiscard]] Result<Config> parse(const std::string& text, const std::string& name);

}  // namespace postern::config
