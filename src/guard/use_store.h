#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "store/sqlite.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace postern::guard {

/// Use on disk, by key: limits.db.
///
/// Threads  read() on one thread at a time, the rest on one other.
/// Durable  after a commit against kill -9; a power cut may take the last commits (no sync waits).
/// Errors   Unavailable, Corrupt.
class UseStore {
 public:
  struct Row {
    std::string key;
    std::string octets;
    TimePoint last{};
  };
  /// A damaged file is set aside, and a new one begins.
  [[nodiscard]] static Result<std::unique_ptr<UseStore>> open(const std::string& path);
  /// "" when nothing is known.
  [[nodiscard]] Result<std::string> read(const std::string& key);
  /// All or none of them.
  [[nodiscard]] Result<> write(const std::vector<Row>& rows);
  /// Forgets what was not used since.
  [[nodiscard]] Result<> forget_before(TimePoint when);

 private:
  [[nodiscard]] static Result<std::unique_ptr<UseStore>> open_file(const std::string& path);
  UseStore(store::Database reader, store::Database writer)
      : reader_(std::move(reader)), writer_(std::move(writer)) {}
  store::Database reader_;
  store::Database writer_;
  std::optional<store::Statement> select_, replace_;
};

}  // namespace postern::guard
