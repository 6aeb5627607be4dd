#pragma once

#include "accounts/directory.h"
#include "base/ids.h"
#include "guard/lockout.h"
#include "guard/watch/watch_book.h"
#include "net/stream.h"
#include "oauth/token_verifier.h"
#include "sasl/mechanism.h"
#include "submission/log_budget.h"

#include <string>
#include <variant>
#include <vector>

namespace postern::submission {

/// Checks what clients claim to be: lock-outs first, then whoever can tell, then the log.
/// Threads  safe from any loop. Borrows what it is given.
class Logins {
 public:
  /// `tokens` may be nullptr: then there is no OAuth; `watch` too: nobody looks for stolen accounts.
  Logins(accounts::Directory& directory, guard::Lockout& lockout, LogBudget& log_budget,
         oauth::TokenVerifier* tokens, const Clock& clock, guard::WatchBook* watch = nullptr)
      : directory_(directory),
        lockout_(lockout),
        log_budget_(log_budget),
        tokens_(tokens),
        clock_(clock),
        watch_(watch) {}

  struct Client {
    net::IpAddress ip;
    SessionId session;
    std::string tls_cipher;
    std::vector<std::string> certified;  ///< addresses in the certificate that it showed
  };
  /// Wrong says no more than that, whatever is wrong: names cannot be found out by trying.
  /// NeedsAppPassword: the password is right, and not for mail programs.
  enum class Refusal { Wrong, Locked, Unavailable, NeedsAppPassword };
  using Outcome = std::variant<accounts::Account, Refusal>;
  net::Task<Outcome> check(net::Loop& loop, sasl::Claim claim, Client client);

  /// What the mechanisms need on a connection that is under TLS. Borrows `stream`.
  [[nodiscard]] sasl::Environment environment(const net::Stream& stream);

 private:
  /// Denied: wrong; anything else: it cannot be told now.
  net::Task<Result<accounts::Account>> verify(net::Loop& loop, const sasl::Claim& claim,
                                              const Client& client);
  net::Task<Result<accounts::Account>> verify_token(net::Loop& loop, const sasl::TokenClaim& claim);
  [[nodiscard]] Result<accounts::Account> verify_certificate(const sasl::CertificateClaim& claim,
                                                             const std::vector<std::string>& certified);
  void log_success(const Client& client, const sasl::Claim& claim, const accounts::Account& account);
  /// What went wrong, within what one network may make us log (RFC 6409 §5.2).
  void write_log(const char* event, const Client& client, const std::string& name, const std::string& why);

  accounts::Directory& directory_;
  guard::Lockout& lockout_;
  LogBudget& log_budget_;
  oauth::TokenVerifier* const tokens_;
  const Clock& clock_;
  guard::WatchBook* const watch_;
};

}  // namespace postern::submission
