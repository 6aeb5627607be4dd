#pragma once

#include "accounts/password_backend.h"
#include "base/options.h"
#include "net/offload.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>

namespace postern::accounts {

/// The table [ldap]. In the templates %s is the login name, %u its local part, %d its domain.
struct LdapOptions {
  std::string url = "ldaps://localhost";
  bool starttls = false;
  bool allow_clear = false;
  std::string ca_file;
  std::string bind_dn;
  std::string search_base;
  std::string search_filter = "(mail=%s)";
  std::string search_dn;
  std::string search_password_file;
  std::chrono::seconds timeout{5};
  std::uint32_t connections = 4;

  /// Options that cannot work together. Error: Malformed.
  [[nodiscard]] Result<> validate() const;

  static auto fields() {
    using std::chrono::seconds;
    return std::tuple{
        field("url", &LdapOptions::url, Reload::Restart,
              "ldaps://host, ldap://host or ldapi://socket, for accounts.backend = \"ldap\"."),
        field("starttls", &LdapOptions::starttls, Reload::Restart, "StartTLS on an ldap:// connection."),
        field("allow_clear", &LdapOptions::allow_clear, Reload::Restart,
              "Passwords over ldap:// without TLS; for loopback and tests."),
        field("ca_file", &LdapOptions::ca_file, Reload::Restart,
              "PEM file of the authority behind the server. Empty: the system's."),
        field("bind_dn", &LdapOptions::bind_dn, Reload::Restart,
              "Whom to bind as, such as \"uid=%u,ou=people,dc=example,dc=org\". Empty: who search_filter "
              "finds."),
        field("search_base", &LdapOptions::search_base, Reload::Restart, "Where to search for the account."),
        field("search_filter", &LdapOptions::search_filter, Reload::Restart,
              "What to search for; exactly one entry must match."),
        field("search_dn", &LdapOptions::search_dn, Reload::Restart, "Who searches. Empty: anonymously."),
        field("search_password_file", &LdapOptions::search_password_file, Reload::Restart,
              "File with the password for that."),
        field("timeout", &LdapOptions::timeout, seconds{1}, seconds{60}, Reload::Restart,
              "Wait for an answer."),
        field("connections", &LdapOptions::connections, 1, 64, Reload::Restart, "Questions at one time."),
    };
  }
};

/// Asks an LDAP server by binding as the account (RFC 4513 §5.1.3), one connection a question, on threads of its own
/// since libldap blocks.
/// Threads  safe from any loop.
class LdapBackend final : public PasswordBackend {
 public:
  /// Errors: Malformed, NotFound: an option that cannot work, naming it.
  [[nodiscard]] static Result<std::unique_ptr<LdapBackend>> create(const LdapOptions& options);
  net::Task<Result<>> check(net::Loop& loop, std::string name, std::string password,
                            net::IpAddress client) override;

 private:
  LdapBackend(LdapOptions options, std::string search_password)
      : options_(std::move(options)),
        search_password_(std::move(search_password)),
        threads_(options_.connections, kQueue, kQueue / 4) {}
  static constexpr std::size_t kQueue = 200;
  [[nodiscard]] Result<> bind_as(const std::string& name, const std::string& password) const;

  const LdapOptions options_;
  const std::string search_password_;
  net::Offload threads_;
};

/// `text` for a place in a DN (RFC 4514 §2.4) and in a filter (RFC 4515 §3).
[[nodiscard]] std::string ldap_dn_escape(std::string_view text);
[[nodiscard]] std::string ldap_filter_escape(std::string_view text);

}  // namespace postern::accounts
