#pragma once

#include "queue/queue.h"
#include "queue/schedule.h"
#include "store/sqlite.h"

#include <array>
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
  /// When the oldest message with recipients in a state was accepted; nullopt: there are none.
  struct Oldest {
    std::optional<TimePoint> waiting;
    std::optional<TimePoint> held;
  };
  /// A few steps in an index; `again` (mail that was held may wait now): it passes once over what is older than that.
  [[nodiscard]] Result<Oldest> oldest(bool again);

 private:
  explicit QueueReader(store::Database database) : database_(std::move(database)) {}
  /// Statements that stay prepared.
  enum Kept : std::size_t { kLook, kMessage, kRecipients, kLengths, kTail, kPieceOf, kKeptCount };
  /// Resets when it goes: a statement that is not reset pins its view of the file, and with it the log.
  struct Use {
    store::Statement& statement;
    explicit Use(store::Statement& kept) : statement(kept) {}
    ~Use() { statement.reset(); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    store::Statement* operator->() const { return &statement; }
  };
  [[nodiscard]] Result<store::Statement*> kept(Kept which);
  [[nodiscard]] Result<> load_recipients(Lease& lease, TimePoint now);

  store::Database database_;
  std::array<std::optional<store::Statement>, kKeptCount> kept_;  // destroyed before their database
  std::int64_t none_waits_before_ = 0;                            // for oldest()
};

}  // namespace postern::queue
