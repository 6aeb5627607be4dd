#include "guard/watch/watch_store.h"

#include "store/set_aside.h"

#include <algorithm>
#include <cmath>

namespace postern::guard {
namespace {

constexpr double kCenti = 100;  // scores are stored as whole hundredths

const std::vector<std::string>& schema() {
  static const std::vector<std::string> kSteps{
      // The names apart: states come in the order of their numbers and fill their pages, five on each.
      "CREATE TABLE name(account BLOB PRIMARY KEY, id INTEGER NOT NULL) WITHOUT ROWID;"
      "CREATE TABLE watched(id INTEGER PRIMARY KEY, state BLOB NOT NULL);"
      "CREATE TABLE hold(account BLOB PRIMARY KEY, since INTEGER NOT NULL, score INTEGER NOT NULL,"
      " told INTEGER NOT NULL, reasons BLOB NOT NULL) WITHOUT ROWID;"
      "CREATE TABLE event(n INTEGER PRIMARY KEY, account BLOB NOT NULL, time INTEGER NOT NULL, kind BLOB NOT "
      "NULL,"
      " detail BLOB NOT NULL);"
      "CREATE INDEX event_account ON event(account, n);"
      "CREATE TABLE surroundings(id INTEGER PRIMARY KEY, octets BLOB NOT NULL)",
      "CREATE TABLE call(id BLOB PRIMARY KEY, since INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID"};
  return kSteps;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += (out.empty() ? "" : "\n") + line;
  return out;
}

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return out;
}

std::int64_t millis(TimePoint when) { return when.time_since_epoch().count(); }
TimePoint time_of(std::int64_t ms) { return TimePoint{std::chrono::milliseconds{ms}}; }

}  // namespace

Result<std::unique_ptr<WatchStore>> WatchStore::open(const std::string& path) {
  const auto open_whole = [](const std::string& name) -> Result<std::unique_ptr<WatchStore>> {
    POSTERN_TRY(std::unique_ptr<WatchStore> store, open_file(name));
    POSTERN_CHECK(store->holds());
    return store;
  };
  return store::open_or_begin_again(
      path, "the watch learns every account's habits anew; accounts that it held stay held", open_whole);
}

Result<std::unique_ptr<WatchStore>> WatchStore::open_file(const std::string& path) {
  using store::Database;
  POSTERN_TRY(Database to, Database::open(path, Database::Sync::Normal));
  POSTERN_CHECK(to.migrate(schema()));
  POSTERN_TRY(auto find, to.prepare("SELECT id FROM name WHERE account=?"));
  POSTERN_TRY(auto name, to.prepare("INSERT INTO name VALUES(?,?)"));
  POSTERN_TRY(auto add, to.prepare("INSERT INTO watched(state) VALUES(?)"));
  POSTERN_TRY(auto update, to.prepare("UPDATE watched SET state=?2 WHERE id=?1"));
  POSTERN_TRY(auto hold, to.prepare("INSERT OR REPLACE INTO hold VALUES(?,?,?,0,?)"));
  POSTERN_TRY(auto unhold, to.prepare("DELETE FROM hold WHERE account=?"));
  POSTERN_TRY(auto told, to.prepare("UPDATE hold SET told=1 WHERE account=?"));
  POSTERN_TRY(auto event, to.prepare("INSERT INTO event(account,time,kind,detail) VALUES(?,?,?,?)"));
  POSTERN_TRY(auto trim, to.prepare("DELETE FROM event WHERE account=?1 AND n<=(SELECT n FROM event WHERE "
                                    "account=?1 ORDER BY n DESC LIMIT 1 OFFSET ?2)"));
  POSTERN_TRY(auto around, to.prepare("INSERT OR REPLACE INTO surroundings VALUES(1,?)"));
  POSTERN_TRY(auto call, to.prepare("INSERT OR IGNORE INTO call SELECT ?1,?2,?3 WHERE (SELECT count(*) FROM "
                                    "call)<?4"));
  POSTERN_TRY(auto calls, to.prepare("SELECT id,since,body FROM call ORDER BY since,id"));
  POSTERN_TRY(auto called, to.prepare("DELETE FROM call WHERE id=?"));
  POSTERN_TRY(Database from, Database::open(path, Database::Sync::Normal));
  POSTERN_TRY(auto load,
              from.prepare("SELECT state FROM watched WHERE id=(SELECT id FROM name WHERE account=?)"));
  POSTERN_TRY(auto holds,
              from.prepare("SELECT account,since,score,reasons,told FROM hold ORDER BY since,account"));
  POSTERN_TRY(auto events, from.prepare("SELECT time,kind,detail FROM event WHERE account=? ORDER BY n"));
  POSTERN_TRY(auto known, from.prepare("SELECT octets FROM surroundings WHERE id=1"));
  return std::unique_ptr<WatchStore>(new WatchStore(
      {std::move(to), std::move(find), std::move(name), std::move(add), std::move(update), std::move(hold),
       std::move(unhold), std::move(told), std::move(event), std::move(trim), std::move(around),
       std::move(call), std::move(calls), std::move(called)},
      {std::move(from), std::move(load), std::move(holds), std::move(events), std::move(known)}));
}

std::optional<AccountState> WatchStore::load(const std::string& account, std::string& why) {
  const std::lock_guard lock(reader_mutex_);
  std::optional<AccountState> found;
  const Result<bool> row = reader_.load.bind(std::string_view(account)).step();
  if (!row) {
    why = row.error().detail;
  } else if (*row) {
    Result<AccountState> state = decode_account_state(reader_.load.text(0));
    if (state) {
      found = *std::move(state);
    } else {
      why = state.error().detail;
    }
  }
  reader_.load.reset();
  return found;
}

std::string WatchStore::surroundings() {
  const std::lock_guard lock(reader_mutex_);
  const Result<bool> row = reader_.surroundings.bind().step();
  std::string octets = row && *row ? reader_.surroundings.text(0) : std::string();
  reader_.surroundings.reset();
  return octets;
}

Result<std::vector<HeldAccount>> WatchStore::holds() {
  const std::lock_guard lock(reader_mutex_);
  std::vector<HeldAccount> out;
  store::Statement& query = reader_.holds.bind();
  for (;;) {
    POSTERN_TRY(const bool row, query.step());
    if (!row) break;
    out.push_back({query.text(0), time_of(query.integer(1)), static_cast<double>(query.integer(2)) / kCenti,
                   split_lines(query.text(3)), query.integer(4) != 0});
  }
  query.reset();
  return out;
}

Result<std::vector<WatchEvent>> WatchStore::events(const std::string& account) {
  const std::lock_guard lock(reader_mutex_);
  std::vector<WatchEvent> out;
  store::Statement& query = reader_.events.bind(std::string_view(account));
  for (;;) {
    POSTERN_TRY(const bool row, query.step());
    if (!row) break;
    out.push_back({time_of(query.integer(0)), query.text(1), query.text(2)});
  }
  query.reset();
  return out;
}

Result<> WatchStore::save_one(const std::string& account, const std::string& state) {
  POSTERN_TRY(const bool known, writer_.find.bind(std::string_view(account)).step());
  const std::int64_t id = known ? writer_.find.integer(0) : 0;
  writer_.find.reset();
  if (known) return writer_.update.bind(id, std::string_view(state)).run();
  POSTERN_CHECK(writer_.add.bind(std::string_view(state)).run());
  return writer_.name.bind(std::string_view(account), writer_.database.last_insert_id()).run();
}

Result<> WatchStore::save(const Encoded& states, const std::string& surroundings) {
  const std::lock_guard lock(writer_mutex_);
  POSTERN_TRY(store::Transaction transaction, store::Transaction::begin(writer_.database));
  for (const auto& [account, octets] : states) POSTERN_CHECK(save_one(account, octets));
  if (!surroundings.empty()) POSTERN_CHECK(writer_.surroundings.bind(std::string_view(surroundings)).run());
  return transaction.commit();
}

Result<> WatchStore::put_hold(const HeldAccount& hold, const std::string& state) {
  const std::string reasons = joined(hold.reasons);
  const auto score = static_cast<std::int64_t>(std::lround(hold.score * kCenti));
  const std::lock_guard lock(writer_mutex_);
  POSTERN_TRY(store::Transaction transaction, store::Transaction::begin(writer_.database));
  POSTERN_CHECK(save_one(hold.account, state));
  POSTERN_CHECK(
      writer_.hold.bind(std::string_view(hold.account), millis(hold.since), score, std::string_view(reasons))
          .run());
  return transaction.commit();
}

Result<> WatchStore::end_hold(const std::string& account, const std::string& state) {
  const std::lock_guard lock(writer_mutex_);
  POSTERN_TRY(store::Transaction transaction, store::Transaction::begin(writer_.database));
  POSTERN_CHECK(save_one(account, state));
  POSTERN_CHECK(writer_.unhold.bind(std::string_view(account)).run());
  return transaction.commit();
}

Result<> WatchStore::mark_told(const std::string& account) {
  const std::lock_guard lock(writer_mutex_);
  return writer_.told.bind(std::string_view(account)).run();
}

Result<> WatchStore::add_event(const std::string& account, const WatchEvent& event) {
  const std::lock_guard lock(writer_mutex_);
  POSTERN_TRY(store::Transaction transaction, store::Transaction::begin(writer_.database));
  POSTERN_CHECK(writer_.event
                    .bind(std::string_view(account), millis(event.time), std::string_view(event.kind),
                          std::string_view(event.detail))
                    .run());
  POSTERN_CHECK(writer_.trim.bind(std::string_view(account), std::int64_t{kEvents}).run());
  return transaction.commit();
}

Result<bool> WatchStore::add_call(const PendingCall& call) {
  const std::lock_guard lock(writer_mutex_);
  POSTERN_CHECK(writer_.call
                    .bind(std::string_view(call.id), millis(call.since), std::string_view(call.body),
                          std::int64_t{kMostCalls})
                    .run());
  return writer_.database.changes() > 0;
}

Result<std::vector<PendingCall>> WatchStore::calls() {
  const std::lock_guard lock(writer_mutex_);
  std::vector<PendingCall> out;
  store::Statement& query = writer_.calls.bind();
  for (;;) {
    POSTERN_TRY(const bool row, query.step());
    if (!row) break;
    out.push_back({query.text(0), time_of(query.integer(1)), query.text(2)});
  }
  query.reset();
  return out;
}

Result<> WatchStore::end_call(const std::string& id) {
  const std::lock_guard lock(writer_mutex_);
  return writer_.called.bind(std::string_view(id)).run();
}

}  // namespace postern::guard
