#pragma once

#include "queue/queue.h"
#include "store/sqlite.h"

#include <functional>
#include <string>
#include <vector>

namespace postern::queue {

/// What is read from queue.db beside the writer, on a connection of its own (WAL: it never waits for the
/// writer).
/// Threads  one at a time.
class QueueReader {
 public:
  [[nodiscard]] static Result<QueueReader> open(const std::string& path, const char* vfs);

  /// Messages due at `now`, oldest due first, those for which `take(id)` is true. Damaged ones go to
  /// `set_aside`.
  [[nodiscard]] Result<std::vector<Lease>> due(TimePoint now, std::size_t max,
                                               const std::function<bool(QueueId)>& take,
                                               std::vector<QueueId>& set_aside);
  [[nodiscard]] Result<std::string> piece(QueueId id, std::uint32_t number);
  [[nodiscard]] Result<std::vector<Listed>> list(const Filter& filter);
  /// The messages that list() would show, by id only.
  [[nodiscard]] Result<std::vector<QueueId>> matching(const Filter& filter);

 private:
  explicit QueueReader(store::Database database) : database_(std::move(database)) {}
  [[nodiscard]] Result<Lease> load(QueueId id, TimePoint now);
  store::Database database_;
};

}  // namespace postern::queue
