#include "accounts/directory.h"

#include "accounts/password.h"
#include "accounts/sender_rights.h"
#include "dkim/key.h"
#include "mail/host_name.h"
#include "mail/idna.h"

#include <sodium.h>

#include <algorithm>
#include <iterator>
#include <thread>

namespace postern::accounts {
namespace {

const std::vector<std::string> kSchema{
    "CREATE TABLE accounts(id INTEGER PRIMARY KEY AUTOINCREMENT, address UNIQUE NOT NULL, hash NOT NULL, "
    "kind INTEGER NOT NULL DEFAULT 0,"
    " suspended INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE aliases(address NOT NULL, account INTEGER NOT NULL REFERENCES accounts(id) ON DELETE "
    "CASCADE,"
    " PRIMARY KEY(address, account));"
    "CREATE TABLE domains(name PRIMARY KEY, selector NOT NULL, key NOT NULL);",

    "ALTER TABLE accounts ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE accounts ADD COLUMN scram NOT NULL DEFAULT '';"
    "CREATE TABLE secrets(name PRIMARY KEY, value NOT NULL);"
    "CREATE TABLE send_as(account INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE,"
    " other INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE, PRIMARY KEY(account, other));"
    "CREATE TABLE app_passwords(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " account INTEGER NOT NULL REFERENCES accounts(id) ON DELETE CASCADE, name NOT NULL,"
    " digest UNIQUE NOT NULL, scram NOT NULL, kind INTEGER NOT NULL, senders NOT NULL, networks NOT NULL,"
    " expires INTEGER NOT NULL, created INTEGER NOT NULL, UNIQUE(account, name));",

    "ALTER TABLE accounts ADD COLUMN limits NOT NULL DEFAULT '';"
    "ALTER TABLE app_passwords ADD COLUMN limits NOT NULL DEFAULT '';"};

/// Jobs of one network that may wait for a hash, as a part of all.
constexpr std::size_t kLaneShare = 4;

/// Prepared, hashed. Error: Malformed, when no client could send such a password.
Result<std::string> hash_new_password(const std::string& password) {
  constexpr std::size_t kMostOctets = 255;  // RFC 4616 §2
  if (password.size() > kMostOctets || password.find('\0') != std::string::npos)
    return fail(Errc::Malformed, "a password has at most 255 octets, and none of them is NUL");
  const Result<std::string> prepared = sasl::saslprep(password);
  if (!prepared)
    return fail(Errc::Malformed, "no client could log in with this password: " + prepared.error().detail);
  return hash_password(*prepared);
}

Result<ServerSecret> load_secret(store::Database& database) {
  POSTERN_TRY(store::Statement insert, database.prepare("INSERT OR IGNORE INTO secrets VALUES('server',?)"));
  const std::string fresh = ServerSecret::generate();
  POSTERN_CHECK(insert.bind(std::string_view(fresh)).run());
  POSTERN_TRY(store::Statement query, database.prepare("SELECT value FROM secrets WHERE name='server'"));
  POSTERN_CHECK(query.step());
  if (query.text(0).size() != ServerSecret::kSize)
    return fail(Errc::Corrupt, "the server's secret is damaged");
  return ServerSecret(query.text(0));
}

}  // namespace

Directory::Directory(const std::string& path, store::Database reader, store::Database writer,
                     const Options& options, const Clock& clock, ServerSecret secret)
    : options_(options),
      clock_(clock),
      secret_(std::move(secret)),
      log_watch_(path + "-wal"),
      reader_(std::move(reader)),
      writer_(std::move(writer)),
      cache_(clock, options.login_cache),
      hashing_(options.hash_threads, options.hash_queue,
               std::max<std::size_t>(1, options.hash_queue / kLaneShare)) {}

Directory::~Directory() = default;

Result<std::unique_ptr<Directory>> Directory::open(const std::string& path, const Options& options,
                                                   const Clock& clock) {
  if (sodium_init() < 0) return fail(Errc::Unavailable, "libsodium does not start");
  POSTERN_TRY(store::Database writer, store::Database::open(path, store::Database::Sync::Full));
  POSTERN_CHECK(writer.migrate(kSchema));
  POSTERN_TRY(ServerSecret secret, load_secret(writer));
  POSTERN_TRY(store::Database reader, store::Database::open(path, store::Database::Sync::Full));
  std::unique_ptr<Directory> directory(
      new Directory(path, std::move(reader), std::move(writer), options, clock, std::move(secret)));
  POSTERN_CHECK(directory->current());
  return directory;
}

Result<std::shared_ptr<const Snapshot>> Directory::current() {
  const SteadyTime now = std::chrono::steady_clock::now();
  const std::lock_guard lock(mutex_);
  // Asked ten times for each message, on all loops: between two looks at the disk nobody waits for the other.
  if (!look_again_ && !changed_.exchange(false) && now < looked_ + kTrusted) return snapshot_;
  looked_ = now;
  // Every change is written to the log first, whoever makes it: the common answer costs one system call and no
  // lock of the file.
  const bool written = log_watch_.may_have_changed();
  if (!written && !look_again_) return snapshot_;
  look_again_ = true;  // until all of this has succeeded
  POSTERN_TRY(const std::int64_t version, reader_.data_version());
  if (version != version_) {
    POSTERN_TRY(snapshot_, Snapshot::load(reader_));
    version_ = version;
  }
  look_again_ = false;
  return snapshot_;
}

std::optional<Account> Directory::find(AccountId id) {
  const Result<std::shared_ptr<const Snapshot>> snapshot = current();
  const StoredAccount* stored = snapshot ? (*snapshot)->account(id) : nullptr;
  if (stored == nullptr) return std::nullopt;
  return stored->account;
}

Standing Directory::standing(const Account& then) {
  const Result<std::shared_ptr<const Snapshot>> snapshot = current();
  if (!snapshot) return Standing::Unknown;
  const StoredAccount* now = (*snapshot)->account(then.id);
  if (now == nullptr) return Standing::Removed;
  if (now->account.suspended) return Standing::Suspended;
  if (then.app_password != 0) {
    const StoredAppPassword* used = (*snapshot)->app_password(then.app_password);
    const bool ended = used == nullptr || (used->shown.expires && *used->shown.expires <= clock_.now());
    return ended ? Standing::AppPasswordEnded : Standing::Good;
  }
  const bool same = !then.by_password || now->account.credential == then.credential;
  return same ? Standing::Good : Standing::PasswordChanged;
}

bool Directory::may_send_as(const Account& account, const mail::Mailbox& mailbox) {
  const Result<std::shared_ptr<const Snapshot>> snapshot = current();
  if (!snapshot || !(*snapshot)->may_send_as(account.id, mailbox)) return false;
  if (account.app_password == 0) return true;
  const StoredAppPassword* used = (*snapshot)->app_password(account.app_password);
  if (used == nullptr) return false;
  const std::vector<std::string>& senders = used->shown.senders;
  return senders.empty() ||
         std::any_of(senders.begin(), senders.end(),
                     [&mailbox](const std::string& pattern) { return pattern_matches(pattern, mailbox); });
}

LimitFacts Directory::limit_facts(const Account& account) {
  const Result<std::shared_ptr<const Snapshot>> snapshot = current();
  LimitFacts facts{account.kind, false, nullptr, nullptr};
  if (!snapshot) return facts;
  if (const StoredAccount* stored = (*snapshot)->account(account.id)) {
    facts.kind = stored->account.kind;
    facts.account = stored->limits;
  }
  if (const StoredAppPassword* used = (*snapshot)->app_password(account.app_password)) {
    facts.apart = used->shown.kind.has_value();
    facts.kind = used->shown.kind.value_or(facts.kind);
    facts.app_password = used->limits;
  }
  return facts;
}

bool Directory::is_ours(std::string_view name) {
  const Result<std::shared_ptr<const Snapshot>> snapshot = current();
  return snapshot && (*snapshot)->domain(lower(name)) != nullptr;
}

std::optional<Domain> Directory::domain(std::string_view name) {
  const Result<std::shared_ptr<const Snapshot>> snapshot = current();
  const Result<std::string> normal = mail::to_ascii(name);
  const Domain* found = snapshot && normal ? (*snapshot)->domain(*normal) : nullptr;
  if (found == nullptr) return std::nullopt;
  return *found;
}

Result<std::vector<Account>> Directory::accounts() {
  POSTERN_TRY(const auto snapshot, current());
  return snapshot->accounts();
}

Result<std::vector<Alias>> Directory::aliases() {
  POSTERN_TRY(const auto snapshot, current());
  return snapshot->aliases();
}

Result<std::vector<Grant>> Directory::grants() {
  POSTERN_TRY(const auto snapshot, current());
  return snapshot->grants();
}

Result<std::vector<Domain>> Directory::domains() {
  POSTERN_TRY(const auto snapshot, current());
  return snapshot->domains();
}

Result<std::vector<AppPassword>> Directory::app_passwords(const std::string& account) {
  POSTERN_TRY(const auto snapshot, current());
  std::vector<AppPassword> all;
  if (!account.empty() && snapshot->account(normal_login(account)) == nullptr)
    return fail(Errc::NotFound, "no account " + account);
  for (const Account& owner : snapshot->accounts()) {
    if (!account.empty() && owner.address != normal_login(account)) continue;
    for (const StoredAppPassword* stored : snapshot->app_passwords_of(owner.id)) all.push_back(stored->shown);
  }
  return all;
}

Result<> Directory::change(std::string_view sql, const std::vector<std::string>& values,
                           std::string_view missing) {
  const std::lock_guard lock(writer_mutex_);
  POSTERN_TRY(store::Statement statement, writer_.prepare(sql));
  statement.bind_all(values);
  const Result<> done = statement.run();
  if (!done && done.error().code == Errc::Denied) return fail(Errc::Denied, values[0] + " exists already");
  POSTERN_CHECK(done);
  changed_.store(true);
  // Whoever is told that it is done may rely on it in every process.
  std::this_thread::sleep_for(kTrusted);
  if (writer_.changes() == 0) return fail(Errc::NotFound, std::string(missing));
  return {};
}

Result<std::string> Directory::scram_form(const std::string& name, std::string_view password) const {
  if (!options_.scram) return std::string{};
  POSTERN_TRY(const sasl::ScramKeys keys,
              sasl::derive_scram_keys(password, secret_.scram_salt(name), kScramIterations));
  return stored_form(keys);
}

Result<> Directory::add_account(const std::string& address, const std::string& password_hash,
                                AccountClass kind) {
  POSTERN_TRY(const std::string name, normal_new_address(address));
  POSTERN_TRY(const ImportedHash imported, import_hash(password_hash));
  if (imported.is_password) return add_account_with_password(address, imported.text, kind);
  const std::string sql =
      "INSERT INTO accounts(address,hash,kind) VALUES(?,?," + std::to_string(static_cast<int>(kind)) + ")";
  return change(sql, {name, imported.text}, "");
}

Result<> Directory::add_account_with_password(const std::string& address, const std::string& password,
                                              AccountClass kind) {
  POSTERN_TRY(const std::string name, normal_new_address(address));
  POSTERN_TRY(const std::string hash, hash_new_password(password));
  POSTERN_TRY(const std::string scram, scram_form(name, password));
  const std::string sql = "INSERT INTO accounts(address,hash,scram,kind) VALUES(?,?,?," +
                          std::to_string(static_cast<int>(kind)) + ")";
  return change(sql, {name, hash, scram}, "");
}

Result<> Directory::set_password_hash(const std::string& address, const std::string& password_hash) {
  POSTERN_TRY(const std::string name, normal_address(address));
  POSTERN_TRY(const ImportedHash imported, import_hash(password_hash));
  if (imported.is_password) return set_password(address, imported.text);
  return change("UPDATE accounts SET hash=?2, scram='', generation=generation+1 WHERE address=?1",
                {name, imported.text}, "no account " + name);
}

Result<> Directory::set_password(const std::string& address, const std::string& password) {
  POSTERN_TRY(const std::string name, normal_address(address));
  POSTERN_TRY(const std::string hash, hash_new_password(password));
  POSTERN_TRY(const std::string scram, scram_form(name, password));
  return change("UPDATE accounts SET hash=?2, scram=?3, generation=generation+1 WHERE address=?1",
                {name, hash, scram}, "no account " + name);
}

Result<> Directory::set_class(const std::string& address, AccountClass kind) {
  POSTERN_TRY(const std::string name, normal_address(address));
  return change("UPDATE accounts SET kind=" + std::to_string(static_cast<int>(kind)) + " WHERE address=?",
                {name}, "no account " + name);
}

Result<> Directory::set_limits(const std::string& address, const std::vector<std::string>& lines) {
  POSTERN_TRY(const std::string name, normal_address(address));
  return change("UPDATE accounts SET limits=?2 WHERE address=?1", {name, join_lines(lines)},
                "no account " + name);
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

Result<> Directory::add_alias(const std::string& address, const std::string& account) {
  POSTERN_TRY(const std::string pattern, normal_pattern(address));
  POSTERN_TRY(const std::string owner, normal_address(account));
  POSTERN_TRY(const auto snapshot, current());
  if (pattern == owner) return fail(Errc::Malformed, owner + " may send as itself without an alias");
  if (snapshot->account(pattern) != nullptr)
    return fail(Errc::Denied, pattern + " is an account of its own; postern send-as add " + owner + " " +
                                  pattern + " lets " + owner + " send as it");
  return change("INSERT INTO aliases(address,account) SELECT ?1,id FROM accounts WHERE address=?2",
                {pattern, owner}, "no account " + owner);
}

Result<> Directory::remove_alias(const std::string& address, const std::string& account) {
  POSTERN_TRY(const std::string pattern, normal_pattern(address));
  if (account.empty()) return change("DELETE FROM aliases WHERE address=?", {pattern}, "no alias " + pattern);
  POSTERN_TRY(const std::string owner, normal_address(account));
  return change("DELETE FROM aliases WHERE address=?1 AND account=(SELECT id FROM accounts WHERE address=?2)",
                {pattern, owner}, "no alias " + pattern + " of " + owner);
}

Result<> Directory::add_grant(const Grant& grant) {
  POSTERN_TRY(const std::string name, normal_address(grant.account));
  POSTERN_TRY(const std::string other, normal_address(grant.other));
  if (name == other) return fail(Errc::Malformed, "an account may send as itself without being told");
  POSTERN_TRY(const auto snapshot, current());
  for (const std::string& one : {name, other}) {
    if (snapshot->account(one) == nullptr) return fail(Errc::NotFound, "no account " + one);
  }
  const Result<> done = change(
      "INSERT INTO send_as(account,other) SELECT a.id,b.id FROM accounts a, accounts b WHERE a.address=?1 "
      "AND "
      "b.address=?2",
      {name, other}, "no account " + name);
  if (!done && done.error().code == Errc::Denied)
    return fail(Errc::Denied, name + " may send as " + other + " already");
  return done;
}

Result<> Directory::remove_grant(const Grant& grant) {
  POSTERN_TRY(const std::string name, normal_address(grant.account));
  POSTERN_TRY(const std::string other, normal_address(grant.other));
  return change(
      "DELETE FROM send_as WHERE account=(SELECT id FROM accounts WHERE address=?1) AND "
      "other=(SELECT id FROM accounts WHERE address=?2)",
      {name, other}, name + " has no grant to send as " + other);
}

Result<std::string> Directory::add_app_password(const AppPassword& wanted) {
  POSTERN_TRY(const std::string owner, normal_address(wanted.account));
  if (wanted.name.empty() || wanted.name.size() > kMaxAppPasswordName)
    return fail(Errc::Malformed, "an app password needs a name of at most 64 octets");
  std::vector<std::string> senders;
  for (const std::string& sender : wanted.senders) {
    POSTERN_TRY(senders.emplace_back(), normal_pattern(sender));
  }
  std::vector<std::string> networks;
  for (const net::Network& network : wanted.networks) networks.push_back(network.text());
  if (wanted.expires && *wanted.expires <= clock_.now())
    return fail(Errc::Malformed, "the app password would have expired already");
  const std::string password = generate_app_password();
  POSTERN_TRY(const std::string scram, scram_form(owner, password));
  const auto ms = [](TimePoint when) { return std::to_string(when.time_since_epoch().count()); };
  const std::string numbers = std::to_string(wanted.kind ? static_cast<int>(*wanted.kind) : -1) + "," +
                              (wanted.expires ? ms(*wanted.expires) : "0") + "," + ms(clock_.now());
  const Result<> done = change(
      "INSERT INTO app_passwords(name,account,digest,scram,senders,networks,limits,kind,expires,created) "
      "SELECT ?1,id,?3,?4,?5,?6,?7," +
          numbers + " FROM accounts WHERE address=?2",
      {wanted.name, owner, secret_.app_password_digest(password), scram, join_lines(senders),
       join_lines(networks), join_lines(wanted.limits)},
      "no account " + owner);
  if (!done && done.error().code == Errc::Denied)
    return fail(Errc::Denied, owner + " has an app password named " + wanted.name + " already");
  POSTERN_CHECK(done);
  return password;
}

Result<> Directory::remove_app_password(const std::string& account, const std::string& name) {
  POSTERN_TRY(const std::string owner, normal_address(account));
  return change(
      "DELETE FROM app_passwords WHERE name=?1 AND account=(SELECT id FROM accounts WHERE address=?2)",
      {name, owner}, owner + " has no app password named " + name);
}

Result<> Directory::add_domain(const Domain& domain) {
  const Result<std::string> normal = mail::to_ascii(domain.name);
  if (!normal) return fail(Errc::Malformed, "not a domain: " + domain.name);
  const std::string& name = *normal;
  if (const Result<> named = mail::check_host_name(name); !named)
    return fail(Errc::Malformed, "not a domain: " + domain.name + ": " + named.error().detail);
  if (const Result<> selector = mail::check_labels(domain.selector); !selector)
    return fail(Errc::Malformed, "not a DKIM selector (RFC 6376 §3.1): " + selector.error().detail);
  POSTERN_CHECK(dkim::SigningKey::from_pem(domain.key_pem));
  return change("INSERT INTO domains(name,selector,key) VALUES(?,?,?)",
                {name, domain.selector, domain.key_pem}, "");
}

Result<> Directory::remove_domain(const std::string& name) {
  const Result<std::string> normal = mail::to_ascii(name);
  return change("DELETE FROM domains WHERE name=?", {normal ? *normal : lower(name)}, "no domain " + name);
}

}  // namespace postern::accounts
