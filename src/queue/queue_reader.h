#pragma once

#include "queue/queue.h"
#include "queue/schedule.h"
#include "store/sqlite.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace postern::queue {

/// What is read from queue.db beside the writer, on a connection of its own (WAL: it never waits for the
/// writer).
/// Threads  one at a time.
class QueueReader {
 public:
  [[nodiscard]] static Result<QueueReader> open(const std::string& path, const char* vfs);

  /// Calls `flow` for each account's recipients in each domain, with the time from which the first of them waits.
  [[nodiscard]] Result<> flows(const std::function<void(AccountId, std::string, TimePoint)>& flow);
  /// Where a look at the due rows of one flow ended.
  struct Look {
    std::optional<Position> reached;    ///< there are more due ones behind it
    std::optional<TimePoint> next_due;  ///< or the first that is not due
  };
  /// The due rows of a flow, oldest first, until `take` has said yes to turn.room of them; those go to `taken`.
  [[nodiscard]] Result<Look> look(const Schedule::Turn& turn, TimePoint now,
                                  const std::function<bool(const Position&)>& take,
                                  std::vector<QueueId>& taken);
  /// A message with its recipients due at `now`. Corrupt: the record is damaged, and how.
  [[nodiscard]] Result<Lease> load(QueueId id, TimePoint now);

  /// Corrupt: the record is damaged.
  [[nodiscard]] Result<std::string> piece(QueueId id, std::uint32_t number);
  [[nodiscard]] Result<std::vector<Listed>> list(const Filter& filter);
  [[nodiscard]] Result<std::vector<Grouped>> group(const Filter& filter, GroupBy by);
  /// The messages that list() would show, by id only.
  [[nodiscard]] Result<std::vector<QueueId>> matching(const Filter& filter);
  [[nodiscard]] Result<Operated> count(const Filter& filter);
  [[nodiscard]] Result<std::vector<AccountHold>> held_accounts();

 private:
  explicit QueueReader(store::Database database) : database_(std::move(database)) {}
  store::Database database_;
  std::optional<store::Statement> look_;  // destroyed before its database
};

}  // namespace postern::queue
