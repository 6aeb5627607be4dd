#pragma once

#include "base/options.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <tuple>
#include <utility>

namespace postern::accounts {

/// Who knows the passwords of accounts that have none here.
enum class BackendKind { None, Ldap, Dovecot };
constexpr auto option_names(BackendKind) {
  return std::array{std::pair{"none", BackendKind::None}, std::pair{"ldap", BackendKind::Ldap},
                    std::pair{"dovecot", BackendKind::Dovecot}};
}

/// The table [accounts].
struct Options {
  std::chrono::seconds login_cache{300};
  std::uint32_t hash_threads = 2;
  std::uint32_t hash_queue = 200;
  bool scram = true;
  bool scram_plus = true;
  bool app_passwords_only = false;
  BackendKind backend = BackendKind::None;

  static auto fields() {
    using std::chrono::seconds;
    return std::tuple{
        field("login_cache", &Options::login_cache, seconds{0}, seconds{3600}, Reload::Restart,
              "How long a password that was right need not be hashed again."),
        field("hash_threads", &Options::hash_threads, 1, 64, Reload::Restart,
              "Threads that check passwords."),
        field("hash_queue", &Options::hash_queue, 1, 100'000, Reload::Restart,
              "Password checks that may wait; at most a quarter of one client network."),
        field("backend", &Options::backend, Reload::Restart,
              "Who else knows passwords: none, ldap (see [ldap]) or dovecot (see [dovecot]). Asked for "
              "accounts without a "
              "password here; the first login makes the account, if its domain is ours. Turns SCRAM off."),
        field("scram", &Options::scram, Reload::Restart,
              "Offer SCRAM-SHA-256 and keep its keys beside the Argon2id hash when a password is set or was "
              "right."),
        field("scram_plus", &Options::scram_plus, Reload::Restart,
              "Offer SCRAM-SHA-256-PLUS as well. Debian 12's mutt chooses it where it is offered and cannot "
              "do it; without "
              "this, or with smtp_authenticators in its own configuration, it logs in."),
        field("app_passwords_only", &Options::app_passwords_only, Reload::Restart,
              "Accounts' own passwords log in nobody, only app passwords, tokens and certificates do. A "
              "client that is "
              "right with the account's own password is told so (534 5.7.9)."),
    };
  }
};

}  // namespace postern::accounts
