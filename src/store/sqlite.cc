#include "store/sqlite.h"

#include <sqlite3.h>

namespace postern::store {
namespace {

constexpr int kBusyTimeoutMs = 5000;

Error error_of(sqlite3* handle) {
  const std::string detail = std::string("sqlite: ") + sqlite3_errmsg(handle);
  switch (sqlite3_errcode(handle) & 0xFF) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
      return fail(Errc::Unavailable, detail);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return fail(Errc::Corrupt, detail);
    case SQLITE_CONSTRAINT:
      return fail(Errc::Denied, detail);
    default:
      return fail(Errc::Internal, detail);
  }
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
void Database::Close::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }

Result<bool> Statement::step() {
  switch (sqlite3_step(statement_.get())) {
    case SQLITE_ROW:
      return true;
    case SQLITE_DONE:
      sqlite3_reset(statement_.get());
      return false;
    default: {
      const Error error = error_of(sqlite3_db_handle(statement_.get()));
      sqlite3_reset(statement_.get());
      return error;
    }
  }
}

Result<> Statement::run() {
  POSTERN_TRY([[maybe_unused]] const bool row, step());
  return {};
}

std::int64_t Statement::changed() const { return sqlite3_changes64(sqlite3_db_handle(statement_.get())); }

void Statement::reset() { sqlite3_reset(statement_.get()); }

Statement& Statement::bind_all(const std::vector<std::string>& values) {
  reset();
  int position = 0;
  for (const std::string& value : values) bind_one(++position, std::string_view(value));
  return *this;
}

void Statement::bind_one(int position, std::int64_t value) {
  sqlite3_bind_int64(statement_.get(), position, value);
}

void Statement::bind_one(int position, std::string_view value) {
  // A blob keeps every octet, NUL included. SQLITE_STATIC: the caller steps before the value goes away.
  sqlite3_bind_blob64(statement_.get(), position, value.empty() ? "" : value.data(), value.size(),
                      SQLITE_STATIC);
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string Statement::text(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

Result<Database> Database::open(const std::string& path, Sync sync, const char* vfs) {
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int opened = sqlite3_open_v2(path.c_str(), &handle, flags, vfs);
  Database database(handle);
  if (opened != SQLITE_OK) {
    return fail(Errc::Unavailable,
                path + ": " + (handle == nullptr ? "out of memory" : sqlite3_errmsg(handle)));
  }
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  for (const char* pragma : {"PRAGMA journal_mode=WAL",
                             sync == Sync::Full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
                             "PRAGMA foreign_keys=ON"}) {
    const Result<> set = database.execute(pragma);
    if (!set) return fail(set.error().code, path + ": " + set.error().detail);
  }
  return database;
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                         &statement, nullptr) != SQLITE_OK) {
    return error_of(handle_.get());
  }
  return Statement(statement);
}

Result<> Database::execute(const std::string& sql) {
  if (sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    return error_of(handle_.get());
  return {};
}

Result<> Database::migrate(const std::vector<std::string>& steps) {
  POSTERN_TRY(Statement query, prepare("PRAGMA user_version"));
  POSTERN_CHECK(query.step());
  auto version = static_cast<std::size_t>(query.integer(0));
  query.reset();
  if (version > steps.size()) {
    return fail(Errc::Unavailable, "the database is of version " + std::to_string(version) +
                                       ", this program knows " + std::to_string(steps.size()) +
                                       ": install the newer program");
  }
  for (; version < steps.size(); ++version) {
    POSTERN_TRY(Transaction transaction, Transaction::begin(*this));
    POSTERN_CHECK(execute(steps[version]));
    POSTERN_CHECK(execute("PRAGMA user_version=" + std::to_string(version + 1)));
    POSTERN_CHECK(transaction.commit());
  }
  return {};
}

std::int64_t Database::changes() const { return sqlite3_changes64(handle_.get()); }
std::int64_t Database::last_insert_id() const { return sqlite3_last_insert_rowid(handle_.get()); }

Result<std::int64_t> Database::data_version() {
  if (!data_version_) {
    POSTERN_TRY(data_version_, prepare("PRAGMA data_version"));
  }
  POSTERN_CHECK(data_version_->step());
  const std::int64_t version = data_version_->integer(0);
  data_version_->reset();
  return version;
}

Result<> Database::run_kept(std::optional<Statement>& statement, std::string_view sql) {
  if (!statement) {
    POSTERN_TRY(statement, prepare(sql));
  }
  return statement->run();
}

Result<Transaction> Transaction::begin(Database& database) {
  POSTERN_CHECK(database.run_kept(database.begin_, "BEGIN IMMEDIATE"));
  return Transaction(database);
}

Result<Transaction> Transaction::begin_reading(Database& database) {
  POSTERN_CHECK(database.execute("BEGIN"));
  return Transaction(database);
}

Transaction::~Transaction() {
  // A failed rollback means that SQLite has already rolled back by itself.
  if (database_ != nullptr) [[maybe_unused]]
    const Result<> rolled_back = database_->execute("ROLLBACK");
}

Result<> Transaction::commit() {
  POSTERN_CHECK(database_->run_kept(database_->commit_, "COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace postern::store
