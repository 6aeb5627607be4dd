#include "accounts/snapshot.h"

#include "accounts/sender_rights.h"

#include <algorithm>

namespace postern::accounts {
namespace {

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::optional<sasl::ScramKeys> scram_from(const std::string& stored) {
  sasl::ScramKeys keys;
  if (stored.size() != keys.stored_key.size() + keys.server_key.size()) return std::nullopt;
  std::copy_n(stored.begin(), keys.stored_key.size(), keys.stored_key.begin());
  std::copy(stored.begin() + static_cast<std::ptrdiff_t>(keys.stored_key.size()), stored.end(),
            keys.server_key.begin());
  return keys;
}

std::shared_ptr<const std::vector<std::string>> limits_from(const std::string& stored) {
  if (stored.empty()) return nullptr;
  return std::make_shared<const std::vector<std::string>>(split_lines(stored));
}

std::optional<AccountClass> class_from(std::int64_t number) {
  if (number < 0 || number > 2) return std::nullopt;
  return static_cast<AccountClass>(number);
}

TimePoint time_from(std::int64_t ms) { return TimePoint{std::chrono::milliseconds{ms}}; }

/// Calls each(statement) for every row of `sql`.
template <class Each>
Result<> for_each_row(store::Database& database, const char* sql, Each each) {
  POSTERN_TRY(store::Statement rows, database.prepare(sql));
  for (;;) {
    POSTERN_TRY(const bool row, rows.step());
    if (!row) return {};
    each(rows);
  }
}

}  // namespace

std::string join_lines(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += (out.empty() ? "" : "\n") + line;
  return out;
}

std::string stored_form(const sasl::ScramKeys& keys) {
  std::string out(keys.stored_key.begin(), keys.stored_key.end());
  out.append(keys.server_key.begin(), keys.server_key.end());
  return out;
}

Result<std::shared_ptr<const Snapshot>> Snapshot::load(store::Database& database) {
  auto fresh = std::make_shared<Snapshot>();
  POSTERN_TRY(store::Transaction same_instant, store::Transaction::begin_reading(database));
  POSTERN_CHECK(fresh->load_accounts(database));
  POSTERN_CHECK(fresh->load_rights(database));
  POSTERN_CHECK(fresh->load_app_passwords(database));
  POSTERN_CHECK(fresh->load_domains(database));
  return std::shared_ptr<const Snapshot>(std::move(fresh));
}

Result<> Snapshot::load_accounts(store::Database& database) {
  return for_each_row(database, "SELECT id,address,hash,kind,suspended,generation,scram,limits FROM accounts",
                      [this](const store::Statement& row) {
                        StoredAccount stored;
                        stored.account.id = AccountId{row.integer(0)};
                        stored.account.address = row.text(1);
                        stored.account.kind = class_from(row.integer(3)).value_or(AccountClass::Person);
                        stored.account.suspended = row.integer(4) != 0;
                        stored.account.credential = static_cast<std::uint64_t>(row.integer(5));
                        stored.hash = row.text(2);
                        stored.scram = scram_from(row.text(6));
                        stored.limits = limits_from(row.text(7));
                        by_address_.emplace(stored.account.address, stored.account.id);
                        accounts_.emplace(stored.account.id, std::move(stored));
                      });
}

Result<> Snapshot::load_rights(store::Database& database) {
  POSTERN_CHECK(
      for_each_row(database, "SELECT address,account FROM aliases", [this](const store::Statement& row) {
        Rights& rights = rights_[AccountId{row.integer(1)}];
        const std::string address = row.text(0);
        if (address.find('*') == std::string::npos) {
          rights.addresses.insert(address);
          aliases_.insert(address);
        } else {
          rights.patterns.push_back(address);
        }
      }));
  return for_each_row(database, "SELECT account,other FROM send_as", [this](const store::Statement& row) {
    rights_[AccountId{row.integer(0)}].may_use.push_back(AccountId{row.integer(1)});
  });
}

Result<> Snapshot::load_app_passwords(store::Database& database) {
  return for_each_row(
      database,
      "SELECT id,account,name,digest,scram,kind,senders,networks,expires,created,limits FROM app_passwords",
      [this](const store::Statement& row) {
        StoredAppPassword stored;
        AppPassword& shown = stored.shown;
        stored.account = AccountId{row.integer(1)};
        const StoredAccount* owner = account(stored.account);
        if (owner == nullptr) return;
        shown.id = row.integer(0);
        shown.account = owner->account.address;
        shown.name = row.text(2);
        shown.kind = class_from(row.integer(5));
        shown.senders = split_lines(row.text(6));
        for (const std::string& network : split_lines(row.text(7))) {
          if (const Result<net::Network> parsed = net::Network::parse(network))
            shown.networks.push_back(*parsed);
        }
        if (row.integer(8) != 0) shown.expires = time_from(row.integer(8));
        shown.created = time_from(row.integer(9));
        stored.limits = limits_from(row.text(10));
        if (stored.limits != nullptr) shown.limits = *stored.limits;
        stored.scram = scram_from(row.text(4));
        by_digest_.emplace(row.text(3), shown.id);
        app_passwords_of_[stored.account].push_back(shown.id);
        app_passwords_.emplace(shown.id, std::move(stored));
      });
}

Result<> Snapshot::load_domains(store::Database& database) {
  return for_each_row(database, "SELECT name,selector,key FROM domains", [this](const store::Statement& row) {
    domains_.emplace(row.text(0), Domain{row.text(0), row.text(1), row.text(2)});
  });
}

const StoredAccount* Snapshot::account(AccountId id) const {
  const auto found = accounts_.find(id);
  return found == accounts_.end() ? nullptr : &found->second;
}

const StoredAccount* Snapshot::account(const std::string& name) const {
  const auto found = by_address_.find(name);
  return found == by_address_.end() ? nullptr : account(found->second);
}

const StoredAppPassword* Snapshot::app_password(std::int64_t id) const {
  const auto found = app_passwords_.find(id);
  return found == app_passwords_.end() ? nullptr : &found->second;
}

const StoredAppPassword* Snapshot::app_password_by_digest(const std::string& digest) const {
  const auto found = by_digest_.find(digest);
  return found == by_digest_.end() ? nullptr : app_password(found->second);
}

std::vector<const StoredAppPassword*> Snapshot::app_passwords_of(AccountId id) const {
  std::vector<const StoredAppPassword*> all;
  const auto found = app_passwords_of_.find(id);
  if (found == app_passwords_of_.end()) return all;
  for (const std::int64_t one : found->second) all.push_back(app_password(one));
  return all;
}

const Domain* Snapshot::domain(const std::string& name) const {
  const auto found = domains_.find(name);
  return found == domains_.end() ? nullptr : &found->second;
}

bool Snapshot::owns(AccountId id, const mail::Mailbox& mailbox) const {
  const StoredAccount* stored = account(id);
  const Result<mail::Mailbox> sender = normal(mailbox);
  if (stored == nullptr || !sender) return false;
  // text() quotes a local part that needs it, as the stored addresses are written.
  const std::string full = sender->text();
  const std::string untagged =
      mail::Mailbox{sender->local.substr(0, sender->local.find('+')), sender->domain}.text();
  // alice+news is Alice's, unless it is somebody's own address.
  const bool tagged = untagged != full && !by_address_.contains(full) && !aliases_.contains(full);
  if (full == stored->account.address || (tagged && untagged == stored->account.address)) return true;
  const auto found = rights_.find(id);
  if (found == rights_.end()) return false;
  const Rights& rights = found->second;
  return rights.addresses.contains(full) || (tagged && rights.addresses.contains(untagged)) ||
         std::any_of(rights.patterns.begin(), rights.patterns.end(),
                     [&mailbox](const std::string& pattern) { return pattern_matches(pattern, mailbox); });
}

bool Snapshot::may_send_as(AccountId id, const mail::Mailbox& mailbox) const {
  if (owns(id, mailbox)) return true;
  const auto found = rights_.find(id);
  // Grants do not add up: who may send as Bob may not send as those whom Bob may send as.
  return found != rights_.end() && std::any_of(found->second.may_use.begin(), found->second.may_use.end(),
                                               [&](AccountId other) { return owns(other, mailbox); });
}

std::vector<Account> Snapshot::accounts() const {
  std::vector<Account> all;
  for (const auto& [id, stored] : accounts_) all.push_back(stored.account);
  std::sort(all.begin(), all.end(), [](const Account& a, const Account& b) { return a.address < b.address; });
  return all;
}

std::vector<Alias> Snapshot::aliases() const {
  std::vector<Alias> all;
  for (const auto& [id, rights] : rights_) {
    const StoredAccount* owner = account(id);
    if (owner == nullptr) continue;
    for (const std::string& address : rights.addresses) all.push_back({address, owner->account.address});
    for (const std::string& pattern : rights.patterns) all.push_back({pattern, owner->account.address});
  }
  std::sort(all.begin(), all.end(), [](const Alias& a, const Alias& b) {
    return std::tie(a.address, a.account) < std::tie(b.address, b.account);
  });
  return all;
}

std::vector<Grant> Snapshot::grants() const {
  std::vector<Grant> all;
  for (const auto& [id, rights] : rights_) {
    for (const AccountId other : rights.may_use) {
      if (account(id) != nullptr && account(other) != nullptr)
        all.push_back({account(id)->account.address, account(other)->account.address});
    }
  }
  std::sort(all.begin(), all.end(), [](const Grant& a, const Grant& b) {
    return std::tie(a.account, a.other) < std::tie(b.account, b.other);
  });
  return all;
}

std::vector<Domain> Snapshot::domains() const {
  std::vector<Domain> all;
  for (const auto& [name, domain] : domains_) all.push_back(domain);
  std::sort(all.begin(), all.end(), [](const Domain& a, const Domain& b) { return a.name < b.name; });
  return all;
}

}  // namespace postern::accounts
