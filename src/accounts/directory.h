#pragma once

#include "accounts/credential_cache.h"
#include "base/options.h"
#include "mail/address.h"
#include "net/offload.h"
#include "store/sqlite.h"

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace postern::accounts {

/// The table [accounts].
struct Options {
  std::chrono::seconds login_cache{300};
  std::uint32_t hash_threads = 2;
  std::uint32_t hash_queue = 200;

  static auto fields() {
    using std::chrono::seconds;
    return std::tuple{
        field("login_cache", &Options::login_cache, seconds{0}, seconds{3600}, Reload::Restart,
              "How long a password that was right need not be hashed again."),
        field("hash_threads", &Options::hash_threads, 1, 64, Reload::Restart,
              "Threads that check passwords."),
        field("hash_queue", &Options::hash_queue, 1, 100'000, Reload::Restart,
              "Password checks that may wait."),
    };
  }
};

/// Decides the default limits of an account.
enum class AccountClass : std::uint8_t { Person, App, Bulk };
[[nodiscard]] const char* to_string(AccountClass kind);
[[nodiscard]] std::optional<AccountClass> parse_account_class(std::string_view text);

struct Account {
  AccountId id;
  std::string address;  ///< the login, lower case
  AccountClass kind = AccountClass::Person;
  bool suspended = false;
  std::uint64_t credential = 0;  ///< another one after each change of the password
};

/// Whether somebody who logged in a while ago may still send.
enum class Standing : std::uint8_t { Good, Suspended, Removed, PasswordChanged, Unknown };
/// "the account is suspended"; for people.
[[nodiscard]] const char* to_string(Standing standing);

struct Domain {
  std::string name;  ///< lower case
  std::string selector;
  std::string key_pem;
};

struct Alias {
  std::string address;  ///< "sales@example.org", or "*@example.org": every address of the domain
  std::string account;
};

/// Accounts, aliases and domains.
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

  /// Who logs in with these: Denied when name or password is wrong or the account suspended, Unavailable when
  /// that cannot be told now. An unknown name takes as long as a wrong password.
  net::Task<Result<Account>> authenticate(net::Loop& loop, std::string name, std::string password);
  /// The account as it is now.
  [[nodiscard]] std::optional<Account> find(AccountId id);
  /// What has become of an account since authenticate() gave it out. Sessions ask before each message, so that
  /// a suspension, a removal or a new password ends what was begun before. Unknown: the store does not answer.
  [[nodiscard]] Standing standing(const Account& then);

  /// Whether the account owns `mailbox`: its own address (with any +tag), an alias, or an address of a domain
  /// that is its. Case does not matter: these are our own addresses.
  [[nodiscard]] bool may_send_as(AccountId id, const mail::Mailbox& mailbox);
  /// The domain that `name` is, if we sign for it.
  [[nodiscard]] std::optional<Domain> domain(std::string_view name);

  [[nodiscard]] Result<> add_account(const std::string& address, const std::string& password_hash,
                                     AccountClass kind);
  [[nodiscard]] Result<> set_password_hash(const std::string& address, const std::string& password_hash);
  [[nodiscard]] Result<> set_suspended(const std::string& address, bool suspended);
  [[nodiscard]] Result<> remove_account(const std::string& address);
  [[nodiscard]] Result<std::vector<Account>> accounts();
  [[nodiscard]] Result<> add_alias(const std::string& address, const std::string& account);
  [[nodiscard]] Result<> remove_alias(const std::string& address);
  [[nodiscard]] Result<std::vector<Alias>> aliases();
  [[nodiscard]] Result<> add_domain(const Domain& domain);
  [[nodiscard]] Result<> remove_domain(const std::string& name);
  [[nodiscard]] Result<std::vector<Domain>> domains();

 private:
  struct Entry {
    Account account;
    std::string hash;
  };
  /// Everything at one instant; small beside the mail it lets through.
  struct Snapshot {
    std::unordered_map<std::string, AccountId> by_address;
    std::unordered_map<AccountId, Entry> accounts;
    std::unordered_map<std::string, std::unordered_set<std::int64_t>> aliases;
    std::unordered_map<std::string, Domain> domains;
  };
  Directory(store::Database database, const Options& options, const Clock& clock);
  [[nodiscard]] Result<std::shared_ptr<const Snapshot>> current();
  [[nodiscard]] Result<std::shared_ptr<const Snapshot>> load();
  [[nodiscard]] Result<> change(std::string_view sql, const std::vector<std::string>& values,
                                std::string_view missing);

  std::mutex mutex_;
  store::Database database_;
  std::int64_t version_ = -1;
  bool changed_here_ = true;
  std::shared_ptr<const Snapshot> snapshot_;
  const Clock& clock_;
  CredentialCache cache_;
  net::Offload hashing_;
};

/// `address` in lower case. Error: Malformed.
[[nodiscard]] Result<std::string> normal_address(std::string_view address);

}  // namespace postern::accounts
