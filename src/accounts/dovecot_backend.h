#pragma once

#include "accounts/password_backend.h"
#include "base/clock.h"
#include "base/options.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <tuple>

namespace postern::accounts {

/// The table [dovecot].
struct DovecotOptions {
  std::string socket = "/run/dovecot/auth-client";
  std::chrono::seconds timeout{10};

  static auto fields() {
    using std::chrono::seconds;
    return std::tuple{
        field("socket", &DovecotOptions::socket, Reload::Restart,
              "Dovecot's authentication socket (its `unix_listener auth-client`), for accounts.backend = "
              "\"dovecot\"."),
        field("timeout", &DovecotOptions::timeout, seconds{1}, seconds{60}, Reload::Restart,
              "Wait for an answer."),
    };
  }
};

/// Asks Dovecot's authentication service, by its client protocol, version 1 (PLAIN, one connection a question).
/// Threads  safe from any loop.
class DovecotBackend final : public PasswordBackend {
 public:
  DovecotBackend(DovecotOptions options, const Clock& clock);
  net::Task<Result<>> check(net::Loop& loop, std::string name, std::string password,
                            net::IpAddress client) override;

 private:
  const DovecotOptions options_;
  const Clock& clock_;
  /// Names our connections: Dovecot refuses two of the same "process id".
  std::atomic<std::uint32_t> next_id_;
};

}  // namespace postern::accounts
