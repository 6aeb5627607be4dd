#pragma once

#include "base/result.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace postern::store {

class Database;

/// A prepared statement, for use again and again. Parameters are bound by position, from 1; columns read from
/// 0.
/// Errors   Unavailable: disk full, I/O error, read-only, locked. Corrupt: the file is damaged. Internal: our
///          SQL.
class Statement {
 public:
  Statement(Statement&&) noexcept = default;
  Statement& operator=(Statement&&) noexcept = default;

  /// Resets it and binds all parameters.
  template <class... Values>
  Statement& bind(const Values&... values) {
    reset();
    int position = 0;
    (bind_one(++position, values), ...);
    return *this;
  }
  /// The same for texts whose number is known only when it runs.
  Statement& bind_all(const std::vector<std::string>& values);
  /// True: a row is there to be read.
  [[nodiscard]] Result<bool> step();
  /// Steps a statement that yields no row.
  [[nodiscard]] Result<> run();
  /// Rows that run() changed just now, if nothing else ran on the connection since.
  [[nodiscard]] std::int64_t changed() const;
  void reset();

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::string text(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  void bind_one(int position, std::int64_t value);
  void bind_one(int position, std::string_view value);  // text is stored as a blob-safe value
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// One connection to one SQLite file.
/// Threads  one thread at a time.
class Database {
 public:
  enum class Sync {
    Full,    ///< a commit returns after the sync
    Normal,  ///< consistent after power loss, the last commits may be gone
  };
  /// Opens or creates `path` in WAL mode; `vfs` is for tests. Errors: Unavailable, Corrupt.
  [[nodiscard]] static Result<Database> open(const std::string& path, Sync sync, const char* vfs = nullptr);

  [[nodiscard]] Result<Statement> prepare(std::string_view sql);
  /// Statements without parameters and rows.
  [[nodiscard]] Result<> execute(const std::string& sql);
  /// Brings the schema from its version to `steps.size()`, each step in a transaction of its own.
  /// Unavailable: the file is of a newer version than this program.
  [[nodiscard]] Result<> migrate(const std::vector<std::string>& steps);
  /// Rows that the last statement changed.
  [[nodiscard]] std::int64_t changes() const;
  [[nodiscard]] std::int64_t last_insert_id() const;
  /// A number that changes when another connection has changed the file.
  [[nodiscard]] Result<std::int64_t> data_version();

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  explicit Database(sqlite3* handle) : handle_(handle) {}
  friend class Transaction;
  /// Runs `sql`, prepared once and kept in `statement`.
  [[nodiscard]] Result<> run_kept(std::optional<Statement>& statement, std::string_view sql);
  std::unique_ptr<sqlite3, Close> handle_;
  std::optional<Statement> begin_, commit_, data_version_;
};

/// BEGIN IMMEDIATE now; rolled back unless commit() succeeded.
class Transaction {
 public:
  [[nodiscard]] static Result<Transaction> begin(Database& database);
  /// BEGIN: everything read until the end is of one instant; takes no lock.
  [[nodiscard]] static Result<Transaction> begin_reading(Database& database);
  ~Transaction();
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  [[nodiscard]] Result<> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace postern::store
