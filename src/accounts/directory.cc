#include "accounts/directory.h"

#include "accounts/password.h"
#include "dkim/key.h"

#include <sodium.h>

#include <algorithm>

namespace postern::accounts {
namespace {

const std::vector<std::string> kSchema{
    "CREATE TABLE accounts(id INTEGER PRIMARY KEY AUTOINCREMENT, address UNIQUE NOT NULL, hash NOT NULL, "
    "kind INTEGER NOT NULL DEFAULT 0,"
    " suspended INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE aliases(address NOT NULL, account INTEGER NOT NULL REFERENCES accounts(id) ON DELETE "
    "CASCADE,"
    " PRIMARY KEY(address, account));"
    "CREATE TABLE domains(name PRIMARY KEY, selector NOT NULL, key NOT NULL);"};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

}  // namespace

const char* to_string(AccountClass kind) {
  switch (kind) {
    case AccountClass::Person:
      return "person";
    case AccountClass::App:
      return "app";
    case AccountClass::Bulk:
      return "bulk";
  }
  return "person";
}

const char* to_string(Standing standing) {
  switch (standing) {
    case Standing::Good:
      return "the account is in order";
    case Standing::Suspended:
      return "the account is suspended";
    case Standing::Removed:
      return "the account was removed";
    case Standing::PasswordChanged:
      return "the password was changed: log in again";
    case Standing::Unknown:
      return "the account cannot be looked up now";
  }
  return "";
}

std::optional<AccountClass> parse_account_class(std::string_view text) {
  for (const AccountClass kind : {AccountClass::Person, AccountClass::App, AccountClass::Bulk}) {
    if (text == to_string(kind)) return kind;
  }
  return std::nullopt;
}

Result<std::string> normal_address(std::string_view address) {
  POSTERN_TRY(const std::vector<mail::Mailbox> boxes, mail::parse_address_list(address));
  if (boxes.size() != 1 || boxes[0].text() != address)
    return fail(Errc::Malformed, "not a mail address: " + std::string(address));
  return lower(address);
}

Directory::Directory(store::Database database, const Options& options, const Clock& clock)
    : database_(std::move(database)),
      clock_(clock),
      cache_(clock, options.login_cache),
      hashing_(options.hash_threads, options.hash_queue) {}

Directory::~Directory() = default;

Result<std::unique_ptr<Directory>> Directory::open(const std::string& path, const Options& options,
                                                   const Clock& clock) {
  POSTERN_TRY(store::Database database, store::Database::open(path, store::Database::Sync::Full));
  POSTERN_CHECK(database.migrate(kSchema));
  if (sodium_init() < 0) return fail(Errc::Unavailable, "libsodium does not start");
  std::unique_ptr<Directory> directory(new Directory(std::move(database), options, clock));
  POSTERN_CHECK(directory->current());
  return directory;
}

Result<std::shared_ptr<const Directory::Snapshot>> Directory::current() {
  const std::lock_guard lock(mutex_);
  // A pragma that reads one page of shared memory: cheap enough for each question.
  POSTERN_TRY(const std::int64_t version, database_.data_version());
  if (changed_here_ || version != version_) {
    POSTERN_TRY(snapshot_, load());
    version_ = version;
    changed_here_ = false;
  }
  return snapshot_;
}

Result<std::shared_ptr<const Directory::Snapshot>> Directory::load() {
  auto fresh = std::make_shared<Snapshot>();
  POSTERN_TRY(store::Statement accounts,
              database_.prepare("SELECT id,address,hash,kind,suspended FROM accounts"));
  for (;;) {
    POSTERN_TRY(const bool row, accounts.step());
    if (!row) break;
    const AccountId id{accounts.integer(0)};
    const auto kind = static_cast<AccountClass>(std::clamp<std::int64_t>(accounts.integer(3), 0, 2));
    fresh->by_address.emplace(accounts.text(1), id);
    const std::string hash = accounts.text(2);
    const Account account{id, accounts.text(1), kind, accounts.integer(4) != 0,
                          std::hash<std::string>{}(hash)};
    fresh->accounts.emplace(id, Entry{account, hash});
  }
  POSTERN_TRY(store::Statement aliases, database_.prepare("SELECT address,account FROM aliases"));
  for (;;) {
    POSTERN_TRY(const bool row, aliases.step());
    if (!row) break;
    fresh->aliases[aliases.text(0)].insert(aliases.integer(1));
  }
  POSTERN_TRY(store::Statement domains, database_.prepare("SELECT name,selector,key FROM domains"));
  for (;;) {
    POSTERN_TRY(const bool row, domains.step());
    if (!row) break;
    fresh->domains.emplace(domains.text(0), Domain{domains.text(0), domains.text(1), domains.text(2)});
  }
  return std::shared_ptr<const Snapshot>(std::move(fresh));
}

net::Task<Result<Account>> Directory::authenticate(net::Loop& loop, std::string name, std::string password) {
  const Result<std::shared_ptr<const Snapshot>> snapshot = current();
  if (!snapshot) co_return fail(Errc::Unavailable, snapshot.error().detail);
  const auto named = (*snapshot)->by_address.find(lower(name));
  const bool known = named != (*snapshot)->by_address.end();
  const Entry entry = known ? (*snapshot)->accounts.at(named->second) : Entry{{}, nobodys_hash()};
  const AccountId id = entry.account.id;
  bool right = known && cache_.contains(id, entry.hash, password);
  if (!right) {
    auto job = [hash = entry.hash, password] { return password_matches(password, hash); };
    const Result<bool> matches = co_await hashing_.run(loop, std::move(job));
    if (!matches) co_return fail(Errc::Unavailable, "too many logins wait");
    right = *matches && known;
    if (right) cache_.remember(id, entry.hash, password);
  }
  // Told apart in the log only; the client sees one answer.
  if (!known) co_return fail(Errc::Denied, "unknown account");
  if (!right) co_return fail(Errc::Denied, "wrong password");
  if (entry.account.suspended) co_return fail(Errc::Denied, "account suspended");
  co_return entry.account;
}

std::optional<Account> Directory::find(AccountId id) {
  const Result<std::shared_ptr<const Snapshot>> snapshot = current();
  if (!snapshot) return std::nullopt;
  const auto found = (*snapshot)->accounts.find(id);
  if (found == (*snapshot)->accounts.end()) return std::nullopt;
  return found->second.account;
}

Standing Directory::standing(const Account& then) {
  const Result<std::shared_ptr<const Snapshot>> snapshot = current();
  if (!snapshot) return Standing::Unknown;
  const auto found = (*snapshot)->accounts.find(then.id);
  if (found == (*snapshot)->accounts.end()) return Standing::Removed;
  const Account& now = found->second.account;
  if (now.suspended) return Standing::Suspended;
  return now.credential == then.credential ? Standing::Good : Standing::PasswordChanged;
}

bool Directory::may_send_as(AccountId id, const mail::Mailbox& mailbox) {
  const Result<std::shared_ptr<const Snapshot>> snapshot = current();
  if (!snapshot) return false;
  const auto found = (*snapshot)->accounts.find(id);
  if (found == (*snapshot)->accounts.end()) return false;
  const std::string domain = lower(mailbox.domain);
  const std::string local = lower(mailbox.local);
  // text() quotes a local part that needs it, as the stored addresses are written.
  const std::string plain = mail::Mailbox{local.substr(0, local.find('+')), domain}.text();
  const std::string full = mail::Mailbox{local, domain}.text();
  if (full == found->second.account.address || plain == found->second.account.address) return true;
  const auto has_alias = [&](const std::string& address) {
    const auto alias = (*snapshot)->aliases.find(address);
    return alias != (*snapshot)->aliases.end() && alias->second.contains(id.value);
  };
  return has_alias(full) || has_alias(plain) || has_alias("*@" + domain);
}

std::optional<Domain> Directory::domain(std::string_view name) {
  const Result<std::shared_ptr<const Snapshot>> snapshot = current();
  if (!snapshot) return std::nullopt;
  const auto found = (*snapshot)->domains.find(lower(name));
  if (found == (*snapshot)->domains.end()) return std::nullopt;
  return found->second;
}

Result<> Directory::change(std::string_view sql, const std::vector<std::string>& values,
                           std::string_view missing) {
  const std::lock_guard lock(mutex_);
  POSTERN_TRY(store::Statement statement, database_.prepare(sql));
  switch (values.size()) {
    case 1:
      statement.bind(std::string_view(values[0]));
      break;
    case 2:
      statement.bind(std::string_view(values[0]), std::string_view(values[1]));
      break;
    default:
      statement.bind(std::string_view(values[0]), std::string_view(values[1]), std::string_view(values[2]));
      break;
  }
  Result<> done = statement.run();
  changed_here_ = true;
  if (!done && done.error().code == Errc::Denied) return fail(Errc::Denied, values[0] + " exists already");
  POSTERN_CHECK(std::move(done));
  if (database_.changes() == 0) return fail(Errc::NotFound, std::string(missing));
  return {};
}

Result<> Directory::add_account(const std::string& address, const std::string& password_hash,
                                AccountClass kind) {
  POSTERN_TRY(const std::string name, normal_address(address));
  if (!known_hash(password_hash)) return fail(Errc::Malformed, "not a password hash that can be checked");
  const std::string sql =
      "INSERT INTO accounts(address,hash,kind) VALUES(?,?," + std::to_string(static_cast<int>(kind)) + ")";
  return change(sql, {name, password_hash}, "");
}

Result<> Directory::set_password_hash(const std::string& address, const std::string& password_hash) {
  POSTERN_TRY(const std::string name, normal_address(address));
  if (!known_hash(password_hash)) return fail(Errc::Malformed, "not a password hash that can be checked");
  return change("UPDATE accounts SET hash=?2 WHERE address=?1", {name, password_hash}, "no account " + name);
}

Result<> Directory::set_suspended(const std::string& address, bool suspended) {
  POSTERN_TRY(const std::string name, normal_address(address));
  return change(suspended ? "UPDATE accounts SET suspended=1 WHERE address=?"
                          : "UPDATE accounts SET suspended=0 WHERE address=?",
                {name}, "no account " + name);
}

Result<> Directory::remove_account(const std::string& address) {
  POSTERN_TRY(const std::string name, normal_address(address));
  return change("DELETE FROM accounts WHERE address=?", {name}, "no account " + name);
}

Result<std::vector<Account>> Directory::accounts() {
  POSTERN_TRY(const auto snapshot, current());
  std::vector<Account> all;
  for (const auto& [id, entry] : snapshot->accounts) all.push_back(entry.account);
  std::sort(all.begin(), all.end(), [](const Account& a, const Account& b) { return a.address < b.address; });
  return all;
}

Result<> Directory::add_alias(const std::string& address, const std::string& account) {
  POSTERN_TRY(const std::string name, normal_address(address));
  POSTERN_TRY(const std::string owner, normal_address(account));
  return change("INSERT INTO aliases(address,account) SELECT ?1,id FROM accounts WHERE address=?2",
                {name, owner}, "no account " + owner);
}

Result<> Directory::remove_alias(const std::string& address) {
  POSTERN_TRY(const std::string name, normal_address(address));
  return change("DELETE FROM aliases WHERE address=?", {name}, "no alias " + name);
}

Result<std::vector<Alias>> Directory::aliases() {
  POSTERN_TRY(const auto snapshot, current());
  std::vector<Alias> all;
  for (const auto& [address, owners] : snapshot->aliases) {
    for (const std::int64_t owner : owners)
      all.push_back({address, snapshot->accounts.at(AccountId{owner}).account.address});
  }
  std::sort(all.begin(), all.end(), [](const Alias& a, const Alias& b) { return a.address < b.address; });
  return all;
}

Result<> Directory::add_domain(const Domain& domain) {
  const std::string name = lower(domain.name);
  if (name.find('.') == std::string::npos || name.find('@') != std::string::npos ||
      !normal_address("a@" + name)) {
    return fail(Errc::Malformed, "not a domain: " + domain.name);
  }
  POSTERN_CHECK(dkim::SigningKey::from_pem(domain.key_pem));
  return change("INSERT INTO domains(name,selector,key) VALUES(?,?,?)",
                {name, domain.selector, domain.key_pem}, "");
}

Result<> Directory::remove_domain(const std::string& name) {
  return change("DELETE FROM domains WHERE name=?", {lower(name)}, "no domain " + name);
}

Result<std::vector<Domain>> Directory::domains() {
  POSTERN_TRY(const auto snapshot, current());
  std::vector<Domain> all;
  for (const auto& [name, domain] : snapshot->domains) all.push_back(domain);
  std::sort(all.begin(), all.end(), [](const Domain& a, const Domain& b) { return a.name < b.name; });
  return all;
}

}  // namespace postern::accounts
