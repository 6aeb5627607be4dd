#pragma once

#include "accounts/credential_cache.h"
#include "accounts/options.h"
#include "accounts/password_backend.h"
#include "accounts/server_secret.h"
#include "accounts/snapshot.h"
#include "accounts/types.h"
#include "net/offload.h"
#include "sasl/scram_keys.h"
#include "store/file_watch.h"
#include "store/sqlite.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::accounts {

/// Accounts, app passwords, sender rights and domains.
///
/// Owns     directory.db. Several processes may change it; every change is seen by the next question.
/// Threads  safe from any thread.
/// Durable  each verb is, when it returns.
/// Errors   NotFound, Denied (it exists already, or is still in use), Malformed (no address, no key),
///          Unavailable.
class Directory {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Directory>> open(const std::string& path,
                                                               const Options& options, const Clock& clock);
  ~Directory();

  // ---- Logging in (directory_login.cc). Denied carries the reason for the log; clients are told none.

  /// Who logs in with these: Denied when name or password is wrong, or the account is suspended, Unavailable or
  /// Exhausted when that cannot be told now. A refusal takes as long whatever its reason, so that it tells no
  /// names. Checks that have to be computed wait in turns between client networks.
  net::Task<Result<Account>> authenticate(net::Loop& loop, std::string name, std::string password,
                                          net::IpAddress client);
  /// What SCRAM needs of `name`; made up, and always the same, when there is no such account.
  [[nodiscard]] sasl::ScramSecrets scram_secrets(std::string_view name);
  /// Who has proven to SCRAM that it knows the password of `proven`. Denied as above.
  [[nodiscard]] Result<Account> login_by_scram(std::string_view name, const sasl::ScramKeys& proven,
                                               const net::IpAddress& client);
  /// Somebody whose name a token or a certificate has proven. Denied as above.
  [[nodiscard]] Result<Account> login_by_name(std::string_view name);
  /// Passwords of accounts without one of their own are asked there. Before the first login.
  void set_backend(std::unique_ptr<PasswordBackend> backend) { backend_ = std::move(backend); }
  /// Whether SCRAM can work for the accounts here.
  [[nodiscard]] bool offers_scram() const { return options_.scram && backend_ == nullptr; }
  /// Whether this login is one of those that do not count: by the account's own password, where only app passwords do.
  [[nodiscard]] bool needs_app_password(const Account& account) const {
    return options_.app_passwords_only && account.by_password && account.app_password == 0;
  }
  [[nodiscard]] bool offers_scram_plus() const { return offers_scram() && options_.scram_plus; }

  /// Its next login is checked in full, whatever was right a moment ago.
  void forget_logins(AccountId account) { cache_.forget(account); }

  // ---- Questions

  /// The account as it is now.
  [[nodiscard]] std::optional<Account> find(AccountId id);
  /// The same by its address, in any case of letters.
  [[nodiscard]] std::optional<Account> find(std::string_view address);
  /// What has become of an account since a login gave it out. Sessions ask before each message, so that
  /// a suspension, a removal or a new password ends what was begun before. Unknown: the store does not answer.
  [[nodiscard]] Standing standing(const Account& then);
  /// Whether `mailbox` is the account's: its own address (with any +tag), an alias or pattern, or one of an account
  /// that it may send as; and whether the app password that logged in allows it.
  [[nodiscard]] bool may_send_as(const Account& account, const mail::Mailbox& mailbox);
  /// What limits the account's mail now.
  [[nodiscard]] LimitFacts limit_facts(const Account& account);
  /// Whether we sign for the domain `name`: mail to it is our own affair.
  [[nodiscard]] bool is_ours(std::string_view name);
  /// The domain that `name` is, if we sign for it.
  [[nodiscard]] std::optional<Domain> domain(std::string_view name);
  [[nodiscard]] Result<std::vector<Account>> accounts();
  [[nodiscard]] Result<std::vector<Alias>> aliases();
  [[nodiscard]] Result<std::vector<Grant>> grants();
  /// Of one account, or of all when `account` is empty.
  [[nodiscard]] Result<std::vector<AppPassword>> app_passwords(const std::string& account);
  [[nodiscard]] Result<std::vector<Domain>> domains();

  // ---- Changes

  /// With a hash from elsewhere; see known_hash().
  [[nodiscard]] Result<> add_account(const std::string& address, const std::string& password_hash,
                                     AccountClass kind);
  [[nodiscard]] Result<> add_account_with_password(const std::string& address, const std::string& password,
                                                   AccountClass kind);
  [[nodiscard]] Result<> set_password_hash(const std::string& address, const std::string& password_hash);
  [[nodiscard]] Result<> set_password(const std::string& address, const std::string& password);
  [[nodiscard]] Result<> set_class(const std::string& address, AccountClass kind);
  /// Lines as guard/limit.h reads them, which are not looked at here; empty: those of the class.
  [[nodiscard]] Result<> set_limits(const std::string& address, const std::vector<std::string>& lines);
  [[nodiscard]] Result<> set_suspended(const std::string& address, bool suspended);
  [[nodiscard]] Result<> remove_account(const std::string& address);
  [[nodiscard]] Result<> add_alias(const std::string& address, const std::string& account);
  /// `account` empty: of all accounts.
  [[nodiscard]] Result<> remove_alias(const std::string& address, const std::string& account = {});
  [[nodiscard]] Result<> add_grant(const Grant& grant);
  [[nodiscard]] Result<> remove_grant(const Grant& grant);
  /// The password itself, which nobody can show again. id and created are not looked at.
  [[nodiscard]] Result<std::string> add_app_password(const AppPassword& wanted);
  [[nodiscard]] Result<> remove_app_password(const std::string& account, const std::string& name);
  [[nodiscard]] Result<> add_domain(const Domain& domain);
  [[nodiscard]] Result<> remove_domain(const std::string& name);

 private:
  Directory(const std::string& path, store::Database reader, store::Database writer, const Options& options,
            const Clock& clock, ServerSecret secret);
  [[nodiscard]] Result<std::shared_ptr<const Snapshot>> current();
  [[nodiscard]] Result<> change(std::string_view sql, const std::vector<std::string>& values,
                                std::string_view missing);
  /// Empty when SCRAM is off.
  [[nodiscard]] Result<std::string> scram_form(const std::string& name, std::string_view password) const;
  [[nodiscard]] Result<Account> as_account(const StoredAccount& stored) const;
  [[nodiscard]] Result<Account> as_app_password(const Snapshot& snapshot, const StoredAppPassword& stored,
                                                const net::IpAddress& client) const;
  /// Replaces a weaker hash by Argon2id and adds what SCRAM needs, now that the password is known. On a pool thread.
  void upgrade(const StoredAccount& stored, const std::string& password);
  /// What became of a name and a password, and what was done to find out.
  struct Checked {
    Result<Account> account;
    bool hashed = false;
    bool asked = false;  ///< the back end
  };
  net::Task<Checked> check_password(net::Loop& loop, std::string name, std::string password,
                                    net::IpAddress client);
  /// Takes the rest of the time that a refusal takes, whatever its reason. Error: Exhausted.
  net::Task<Result<>> even_out(net::Loop& loop, Checked checked, std::string name, std::string password,
                               net::IpAddress client);
  net::Task<Result<Account>> check_hash(net::Loop& loop, StoredAccount stored, bool exists,
                                        std::string password, std::string lane);
  net::Task<Result<Account>> ask_backend(net::Loop& loop, std::string name, std::string password,
                                         net::IpAddress client);

  const Options options_;
  const Clock& clock_;
  const ServerSecret secret_;
  std::mutex mutex_;
  store::FileWatch log_watch_;
  store::Database reader_;
  std::int64_t version_ = -1;
  bool look_again_ = true;
  /// How long a look at the file is trusted; change() returns only when no process trusts an older one.
  static constexpr std::chrono::milliseconds kTrusted{1};
  SteadyTime looked_{};
  std::atomic<bool> changed_ = false;  // by this process: counts at once
  std::shared_ptr<const Snapshot> snapshot_;
  // A connection of its own, so that questions do not wait for a sync; what it changes, data_version() tells.
  std::mutex writer_mutex_;
  store::Database writer_;
  CredentialCache cache_;
  std::unique_ptr<PasswordBackend> backend_;
  net::Offload hashing_;
};

}  // namespace postern::accounts
