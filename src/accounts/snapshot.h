#pragma once

#include "accounts/types.h"
#include "mail/address.h"
#include "sasl/scram_keys.h"
#include "store/sqlite.h"

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace postern::accounts {

/// An account and what its password is checked against.
struct StoredAccount {
  Account account;
  std::string hash;
  std::optional<sasl::ScramKeys> scram;
  std::shared_ptr<const std::vector<std::string>> limits;  ///< nullptr: those of its class
};

struct StoredAppPassword {
  AppPassword shown;
  AccountId account;
  std::optional<sasl::ScramKeys> scram;
  std::shared_ptr<const std::vector<std::string>> limits;
};

/// The whole directory at one instant; small beside the mail it lets through. Immutable once loaded, so it is asked
/// without a lock.
class Snapshot {
 public:
  [[nodiscard]] static Result<std::shared_ptr<const Snapshot>> load(store::Database& database);

  [[nodiscard]] const StoredAccount* account(AccountId id) const;
  /// `name` in lower case.
  [[nodiscard]] const StoredAccount* account(const std::string& name) const;
  [[nodiscard]] const StoredAppPassword* app_password(std::int64_t id) const;
  [[nodiscard]] const StoredAppPassword* app_password_by_digest(const std::string& digest) const;
  [[nodiscard]] std::vector<const StoredAppPassword*> app_passwords_of(AccountId id) const;
  [[nodiscard]] const Domain* domain(const std::string& name) const;

  /// Whether the account owns `mailbox` or may use it as another account's.
  [[nodiscard]] bool may_send_as(AccountId id, const mail::Mailbox& mailbox) const;

  // In the order of their addresses.
  [[nodiscard]] std::vector<Account> accounts() const;
  [[nodiscard]] std::vector<Alias> aliases() const;
  [[nodiscard]] std::vector<Grant> grants() const;
  [[nodiscard]] std::vector<Domain> domains() const;

 private:
  struct Rights {
    std::unordered_set<std::string> addresses;
    std::vector<std::string> patterns;
    std::vector<AccountId> may_use;
  };
  [[nodiscard]] Result<> load_accounts(store::Database& database);
  [[nodiscard]] Result<> load_rights(store::Database& database);
  [[nodiscard]] Result<> load_app_passwords(store::Database& database);
  [[nodiscard]] Result<> load_domains(store::Database& database);
  [[nodiscard]] bool owns(AccountId id, const mail::Mailbox& mailbox) const;

  std::unordered_map<std::string, AccountId> by_address_;
  std::unordered_set<std::string> aliases_;  // whosever they are; without the patterns
  std::unordered_map<AccountId, StoredAccount> accounts_;
  std::unordered_map<AccountId, Rights> rights_;
  std::unordered_map<std::int64_t, StoredAppPassword> app_passwords_;
  std::unordered_map<std::string, std::int64_t> by_digest_;
  std::unordered_map<AccountId, std::vector<std::int64_t>> app_passwords_of_;
  std::unordered_map<std::string, Domain> domains_;
};

/// One string per line, as lists are kept in a column.
[[nodiscard]] std::string join_lines(const std::vector<std::string>& lines);
/// Stored key, then server key.
[[nodiscard]] std::string stored_form(const sasl::ScramKeys& keys);

}  // namespace postern::accounts
