#include "tlspolicy/sts_cache.h"

#include "store/set_aside.h"

#include <utility>

namespace postern::tlspolicy {
namespace {

const std::vector<std::string> kSchema{
    "CREATE TABLE policies(domain TEXT PRIMARY KEY, id TEXT NOT NULL, text TEXT NOT NULL, fetched_at INTEGER "
    "NOT NULL, expires_at INTEGER NOT NULL, used_at INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX policies_fetched ON policies(fetched_at);"
    "CREATE INDEX policies_expire ON policies(expires_at);"};

std::int64_t stored(TimePoint time) { return time.time_since_epoch().count(); }
TimePoint loaded(std::int64_t time) { return TimePoint{std::chrono::milliseconds{time}}; }

CachedPolicy read_row(const store::Statement& row) {
  return {row.text(0), row.text(1), row.text(2), loaded(row.integer(3)), loaded(row.integer(4))};
}

Result<std::vector<CachedPolicy>> read_all(store::Statement& select) {
  std::vector<CachedPolicy> out;
  for (;;) {
    POSTERN_TRY(const bool row, select.step());
    if (!row) return out;
    out.push_back(read_row(select));
  }
}

constexpr const char* kColumns = "domain, id, text, fetched_at, expires_at";

}  // namespace

Result<std::unique_ptr<StsCache>> StsCache::open(const std::string& path) {
  return store::open_or_begin_again(path, "MTA-STS policies are fetched anew", open_file);
}

Result<std::unique_ptr<StsCache>> StsCache::open_file(const std::string& path) {
  POSTERN_TRY(store::Database database, store::Database::open(path, store::Database::Sync::Normal));
  POSTERN_CHECK(database.migrate(kSchema));
  return std::unique_ptr<StsCache>(new StsCache(std::move(database)));
}

Result<std::optional<CachedPolicy>> StsCache::find(const std::string& domain, TimePoint now) {
  const std::lock_guard lock(mutex_);
  POSTERN_TRY(store::Statement select,
              database_.prepare(std::string("SELECT ") + kColumns +
                                ", used_at FROM policies WHERE domain=? AND expires_at>?"));
  select.bind(domain, stored(now));
  POSTERN_TRY(const bool there, select.step());
  if (!there) return std::optional<CachedPolicy>();
  std::optional<CachedPolicy> found = read_row(select);
  constexpr std::chrono::milliseconds kOften = std::chrono::hours{12};
  const bool note = now - loaded(select.integer(5)) > kOften;
  select.reset();
  if (!note) return found;
  POSTERN_TRY(store::Statement update, database_.prepare("UPDATE policies SET used_at=? WHERE domain=?"));
  POSTERN_CHECK(update.bind(stored(now), domain).run());
  return found;
}

Result<> StsCache::put(const CachedPolicy& policy, TimePoint now) {
  const std::lock_guard lock(mutex_);
  POSTERN_TRY(store::Transaction transaction, store::Transaction::begin(database_));
  POSTERN_TRY(store::Statement insert,
              database_.prepare("INSERT INTO policies(domain,id,text,fetched_at,expires_at,used_at) "
                                "VALUES(?,?,?,?,?,?) ON CONFLICT(domain) DO UPDATE SET id=excluded.id, "
                                "text=excluded.text, fetched_at=excluded.fetched_at, "
                                "expires_at=excluded.expires_at"));
  POSTERN_CHECK(insert
                    .bind(policy.domain, policy.id, policy.text, stored(policy.fetched_at),
                          stored(policy.expires_at), stored(now))
                    .run());
  POSTERN_TRY(store::Statement expired, database_.prepare("DELETE FROM policies WHERE expires_at<=?"));
  POSTERN_CHECK(expired.bind(stored(now)).run());
  POSTERN_TRY(store::Statement excess,
              database_.prepare("DELETE FROM policies WHERE domain IN (SELECT domain FROM policies ORDER BY "
                                "expires_at DESC LIMIT -1 OFFSET ?)"));
  POSTERN_CHECK(excess.bind(kMax).run());
  return transaction.commit();
}

Result<std::vector<CachedPolicy>> StsCache::due(TimePoint before, TimePoint now, TimePoint used_since,
                                                std::size_t most) {
  const std::lock_guard lock(mutex_);
  POSTERN_TRY(store::Statement select,
              database_.prepare(std::string("SELECT ") + kColumns +
                                " FROM policies WHERE fetched_at<? AND expires_at>? AND used_at>=? ORDER BY "
                                "fetched_at LIMIT ?"));
  select.bind(stored(before), stored(now), stored(used_since), static_cast<std::int64_t>(most));
  return read_all(select);
}

Result<std::vector<CachedPolicy>> StsCache::all(TimePoint now, std::size_t most) {
  const std::lock_guard lock(mutex_);
  POSTERN_TRY(store::Statement select,
              database_.prepare(std::string("SELECT ") + kColumns +
                                " FROM policies WHERE expires_at>? ORDER BY domain LIMIT ?"));
  select.bind(stored(now), static_cast<std::int64_t>(most));
  return read_all(select);
}

}  // namespace postern::tlspolicy
