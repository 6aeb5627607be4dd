// Directory's answers to those who log in.
#include "accounts/directory.h"
#include "accounts/password.h"
#include "base/log.h"

#include <sodium.h>

#include <algorithm>
#include <array>

namespace postern::accounts {
namespace {

/// What stands in place of a hash when a back end knows the password: no password matches it.
constexpr const char* kAskBackend = "!";

/// RFC 4616 §2: what we keep was prepared, so what cannot be prepared never matches it. Hashes from elsewhere may be of
/// anything.
bool matches_in_some_form(const std::string& password, const std::string& hash) {
  const Result<std::string> prepared = sasl::saslprep(password);
  if (!prepared) return password_matches(password, hash);
  return password_matches(*prepared, hash) || (*prepared != password && password_matches(password, hash));
}

/// As passwords are kept. Errors: Malformed: it cannot be prepared. Unavailable: no memory for it.
Result<std::string> prepared_hash(const std::string& password) {
  POSTERN_TRY(const std::string prepared, sasl::saslprep(password));
  return hash_password(prepared);
}

/// A name, or a password, that nobody has.
std::string random_name() {
  std::array<unsigned char, 12> octets{};
  randombytes_buf(octets.data(), octets.size());
  std::array<char, 2 * octets.size() + 1> hex{};
  return sodium_bin2hex(hex.data(), hex.size(), octets.data(), octets.size());
}

/// Logins wait in turns between these.
std::string lane_of(const net::IpAddress& client) { return client.network(32, 64).text(); }

}  // namespace

net::Task<Result<Account>> Directory::authenticate(net::Loop& loop, std::string name, std::string password,
                                                   net::IpAddress client) {
  name = normal_login(name);
  Checked checked = co_await check_password(loop, name, password, client);
  if (!checked.account && checked.account.error().code == Errc::Denied) {
    const Result<> evened =
        co_await even_out(loop, checked, std::move(name), std::move(password), std::move(client));
    if (!evened) co_return evened.error();
  }
  co_return checked.account;
}

net::Task<Directory::Checked> Directory::check_password(net::Loop& loop, std::string name,
                                                        std::string password, net::IpAddress client) {
  const auto now = current();
  if (!now) co_return Checked{now.error()};
  const Snapshot& snapshot = **now;
  const StoredAccount* found = snapshot.account(name);
  if (looks_like_app_password(password)) {
    const StoredAppPassword* used = snapshot.app_password_by_digest(secret_.app_password_digest(password));
    if (used != nullptr && found != nullptr && used->account == found->account.id)
      co_return Checked{as_app_password(snapshot, *used, client)};
  }
  const bool exists = found != nullptr;
  const bool ask_elsewhere = backend_ != nullptr && (!exists || found->hash == kAskBackend);
  StoredAccount stored;
  if (exists) stored = *found;
  if (exists && cache_.contains(stored.account.id, stored.hash, password))
    co_return Checked{as_account(stored)};
  if (ask_elsewhere) {
    if (!normal_address(name)) co_return Checked{fail(Errc::Denied, "not an address")};
    Result<Account> account = co_await ask_backend(loop, std::move(name), std::move(password), client);
    co_return Checked{std::move(account), false, true};
  }
  Result<Account> account =
      co_await check_hash(loop, std::move(stored), exists, std::move(password), lane_of(client));
  co_return Checked{std::move(account), true, false};
}

// A name that is known here, one that a back end knows and one that nobody knows differ in what is asked about them. So
// each refusal pays for all of it: the back end, if there is one, hears of a name that it cannot know, and a hash is
// computed in the client's own lane.
net::Task<Result<>> Directory::even_out(net::Loop& loop, Checked checked, std::string name,
                                        std::string password, net::IpAddress client) {
  if (backend_ != nullptr && !checked.asked) {
    const std::size_t at = name.rfind('@');
    const std::string domain = at == std::string::npos ? "@invalid" : name.substr(at);
    const Result<> refused = co_await backend_->check(loop, random_name() + domain, random_name(), client);
    (void)refused;  // only the time counts
  }
  if (checked.hashed) co_return Result<>{};
  auto job = [password] { return password_matches(password, nobodys_hash()); };
  const Result<bool> done = co_await hashing_.run(loop, std::move(job), lane_of(client));
  if (!done) co_return done.error();  // as for a name whose hash had to be computed
  co_return Result<>{};
}

net::Task<Result<Account>> Directory::check_hash(net::Loop& loop, StoredAccount stored, bool exists,
                                                 std::string password, std::string lane) {
  const std::string hash = exists && stored.hash != kAskBackend ? stored.hash : nobodys_hash();
  auto job = [this, stored, exists, password, hash] {
    // Many connections of one account often begin together: those that waited here learn from the first.
    if (exists && cache_.contains(stored.account.id, hash, password)) return true;
    const bool right = matches_in_some_form(password, hash) && exists;
    // An imported hash may be of a quicker kind than the one that stands for nobody.
    if (!right && is_outdated(hash)) (void)password_matches(password, nobodys_hash());
    if (right) {
      cache_.remember(stored.account.id, hash, password);
      upgrade(stored, password);
    }
    return right;
  };
  Result<bool> right = co_await hashing_.run(loop, std::move(job), std::move(lane));
  if (!right) co_return right.error();
  if (!exists) co_return fail(Errc::Denied, "unknown account");
  if (!*right) co_return fail(Errc::Denied, "wrong password");
  // The hash may have become another one meanwhile, by upgrade() or by an operator: as it is now counts.
  POSTERN_CO_TRY(const auto snapshot, current());
  const StoredAccount* now = snapshot->account(stored.account.id);
  if (now == nullptr || now->account.credential != stored.account.credential)
    co_return fail(Errc::Denied, "the password was changed meanwhile");
  cache_.remember(now->account.id, now->hash, password);
  co_return as_account(*now);
}

void Directory::upgrade(const StoredAccount& stored, const std::string& password) {
  const bool hash_is_old = is_outdated(stored.hash);
  const bool scram_is_missing = options_.scram && !stored.scram;
  if (stored.account.suspended || (!hash_is_old && !scram_is_missing)) return;
  const Result<std::string> hash = hash_is_old ? prepared_hash(password) : Result<std::string>(stored.hash);
  const Result<std::string> scram = scram_form(stored.account.address, password);
  if (!hash || !scram) return;  // no memory now: at the next login; or it stays as it was imported
  // Only what was checked is replaced: a password that was changed meanwhile stays changed.
  const Result<> done = change("UPDATE accounts SET hash=?3, scram=?4 WHERE address=?1 AND hash=?2",
                               {stored.account.address, stored.hash, *hash, *scram}, "");
  if (!done && done.error().code != Errc::NotFound) {
    log::Event(log::Level::Warning, "accounts.upgrade_failed")
        .with("account", stored.account.address)
        .with("why", done.error().detail);
  } else if (done && hash_is_old) {
    log::Event(log::Level::Info, "accounts.hash_upgraded").with("account", stored.account.address);
  }
}

net::Task<Result<Account>> Directory::ask_backend(net::Loop& loop, std::string name, std::string password,
                                                  net::IpAddress client) {
  const Result<> right = co_await backend_->check(loop, name, password, client);
  if (!right) co_return right.error();
  POSTERN_CO_TRY(auto snapshot, current());
  if (snapshot->account(name) == nullptr) {
    // The first login makes the account: limits, history and rights need somebody to belong to.
    const std::string domain = name.substr(name.rfind('@') + 1);
    if (snapshot->domain(domain) == nullptr) co_return fail(Errc::Denied, "we do not send for " + domain);
    const Result<> added =
        change("INSERT OR IGNORE INTO accounts(address,hash) VALUES(?,?)", {name, kAskBackend}, name);
    if (!added && added.error().code != Errc::NotFound) co_return added.error();
    POSTERN_CO_TRY(snapshot, current());
  }
  const StoredAccount* stored = snapshot->account(name);
  if (stored == nullptr) co_return fail(Errc::Denied, "the account was removed meanwhile");
  cache_.remember(stored->account.id, stored->hash, password);
  co_return as_account(*stored);
}

sasl::ScramSecrets Directory::scram_secrets(std::string_view name) {
  const std::string normal = normal_login(name);
  sasl::ScramSecrets secrets{secret_.scram_salt(normal), kScramIterations, {}};
  const Result<std::shared_ptr<const Snapshot>> snapshot = current();
  const StoredAccount* stored = snapshot ? (*snapshot)->account(normal) : nullptr;
  if (stored == nullptr) return secrets;
  if (stored->scram) secrets.keys.push_back(*stored->scram);
  for (const StoredAppPassword* one : (*snapshot)->app_passwords_of(stored->account.id)) {
    if (one->scram) secrets.keys.push_back(*one->scram);
  }
  return secrets;
}

Result<Account> Directory::login_by_scram(std::string_view name, const sasl::ScramKeys& proven,
                                          const net::IpAddress& client) {
  POSTERN_TRY(const auto snapshot, current());
  const StoredAccount* stored = snapshot->account(normal_login(name));
  if (stored == nullptr) return fail(Errc::Denied, "unknown account");
  if (stored->scram == proven) return as_account(*stored);
  for (const StoredAppPassword* one : snapshot->app_passwords_of(stored->account.id)) {
    if (one->scram == proven) return as_app_password(*snapshot, *one, client);
  }
  return fail(Errc::Denied, "the password was changed meanwhile");
}

std::optional<Account> Directory::find(std::string_view address) {
  const Result<std::shared_ptr<const Snapshot>> snapshot = current();
  const StoredAccount* stored = snapshot ? (*snapshot)->account(normal_login(address)) : nullptr;
  if (stored == nullptr) return std::nullopt;
  return stored->account;
}

Result<Account> Directory::login_by_name(std::string_view name) {
  POSTERN_TRY(const auto snapshot, current());
  const StoredAccount* stored = snapshot->account(normal_login(name));
  if (stored == nullptr) return fail(Errc::Denied, "unknown account");
  POSTERN_TRY(Account account, as_account(*stored));
  account.by_password = false;
  return account;
}

Result<Account> Directory::as_account(const StoredAccount& stored) const {
  if (stored.account.suspended) return fail(Errc::Denied, "account suspended");
  return stored.account;
}

Result<Account> Directory::as_app_password(const Snapshot& snapshot, const StoredAppPassword& stored,
                                           const net::IpAddress& client) const {
  const AppPassword& shown = stored.shown;
  const std::string what = "app password " + shown.name;
  if (shown.expires && *shown.expires <= clock_.now()) return fail(Errc::Denied, what + " has expired");
  const bool from_here = shown.networks.empty() || std::any_of(shown.networks.begin(), shown.networks.end(),
                                                               [&client](const net::Network& network) {
                                                                 return network.contains(client);
                                                               });
  if (!from_here) return fail(Errc::Denied, what + " may not be used from this network");
  const StoredAccount* owner = snapshot.account(stored.account);
  if (owner == nullptr) return fail(Errc::Denied, "unknown account");
  POSTERN_TRY(Account account, as_account(*owner));
  account.app_password = shown.id;
  if (shown.kind) {
    account.kind = *shown.kind;
  }
  return account;
}

}  // namespace postern::accounts
