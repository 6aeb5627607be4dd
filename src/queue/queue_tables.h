#pragma once

#include "queue/queue.h"
#include "store/sqlite.h"

#include <string>
#include <string_view>
#include <vector>

namespace postern::queue {

/// Largest piece of content in one row.
constexpr std::size_t kPiece = std::size_t{64} * 1024;
/// The most content of a message on its way in that waits in memory for its commit.
constexpr std::size_t kMostInMemory = 4 * kPiece;

/// The schema of queue.db, one step per version.
[[nodiscard]] const std::vector<std::string>& queue_schema();

/// The conditions of a Filter, with what they bind. In all of them: ?1 id, ?2 account, ?3 sender,
/// ?4 accepted before, ?5 recipient, ?6 site, ?7 reason, ?8 state or -1, ?9 limit; empty or 0: not asked for.
[[nodiscard]] std::string message_conditions(const Filter& filter);
/// True for every recipient of a message in the list when the filter is not by recipient.
extern const char* const kRecipientConditions;
void bind_filter(store::Statement& query, const Filter& filter, std::int64_t more = 0);

/// How many recipients there are in each state.
struct Counts {
  std::int64_t waiting = 0;
  std::int64_t held = 0;
  std::int64_t removed = 0;
};

/// The statements of the writer's connection.
/// Threads  the writer's.
class QueueTables {
 public:
  [[nodiscard]] static Result<QueueTables> prepare(store::Database& database);

  /// Puts a piece of a message that does not exist yet aside.
  [[nodiscard]] Result<> insert_piece(QueueId id, std::uint32_t number, std::string_view content);
  /// Makes the message: from here on it exists. `tail` is its content from piece number `pieces` on.
  [[nodiscard]] Result<> insert_message(const NewMessage& message, std::uint64_t size, std::uint32_t pieces,
                                        std::string_view tail);
  [[nodiscard]] Result<> settle(QueueId id, const std::vector<RecipientOutcome>& outcomes,
                                std::string_view keep_signature);
  /// Removes the pieces of a message that never came to exist.
  [[nodiscard]] Result<> discard_draft(QueueId id);
  /// What a crash left behind: pieces whose message never came to exist, messages marked as removed.
  [[nodiscard]] Result<> sweep();
  /// For a message that nobody has leased: acts on those of its recipients that `filter` means.
  [[nodiscard]] Result<> operate(QueueId id, const Filter& filter, Operation operation, TimePoint now);
  /// For one that is leased: they are never due again, and gone with finish_removal().
  [[nodiscard]] Result<> mark_removed(QueueId id, const Filter& filter);
  [[nodiscard]] Result<> finish_removal(QueueId id);
  /// How many of a message's recipients a filter means.
  [[nodiscard]] Result<std::size_t> count(QueueId id, const Filter& filter);
  /// The domains in which recipients of the message wait, and its account.
  [[nodiscard]] Result<std::vector<std::string>> waiting_domains(QueueId id, AccountId& account);

  [[nodiscard]] Result<> hold_account(const AccountHold& hold);
  [[nodiscard]] Result<> release_account(AccountId account);

  /// Counts what is in the file, from indices alone. Once, before anything is changed.
  [[nodiscard]] Result<> load_counts();
  /// What was changed since the last time is durable, or was rolled back.
  void committed() { counts_ = with_change_; }
  void rolled_back() { with_change_ = counts_; }
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  explicit QueueTables(std::vector<store::Statement> statements) : statements_(std::move(statements)) {}
  [[nodiscard]] Result<> remove_if_done(QueueId id);
  [[nodiscard]] Result<> discard_pieces(QueueId id);
  [[nodiscard]] Result<Counts> counts_of(QueueId id);
  template <class Change>
  [[nodiscard]] Result<> counted(QueueId id, Change change);
  struct Settled {
    std::int64_t gone = 0;  ///< rows
    std::int64_t held = 0;
  };
  [[nodiscard]] Result<> settle_each(QueueId id, const std::vector<RecipientOutcome>& outcomes,
                                     Settled& settled);
  std::vector<store::Statement> statements_;
  Counts counts_;
  Counts with_change_;  // counts_, and what the transaction under way changes
};

}  // namespace postern::queue
