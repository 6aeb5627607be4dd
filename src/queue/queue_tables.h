#pragma once

#include "queue/queue.h"
#include "store/sqlite.h"

#include <string>
#include <string_view>
#include <vector>

namespace postern::queue {

/// Largest piece of content in one row.
constexpr std::size_t kPiece = std::size_t{64} * 1024;

/// The schema of queue.db, one step per version.
[[nodiscard]] const std::vector<std::string>& queue_schema();

/// The statements of the writer's connection.
/// Threads  the writer's.
class QueueTables {
 public:
  [[nodiscard]] static Result<QueueTables> prepare(store::Database& database);

  /// Puts a piece of a message that does not exist yet aside.
  [[nodiscard]] Result<> insert_piece(QueueId id, std::uint32_t number, std::string_view content);
  /// Makes the message: from here on it exists. `tail` is its last piece, number `pieces`.
  [[nodiscard]] Result<> insert_message(const NewMessage& message, std::uint64_t size, std::uint32_t pieces,
                                        std::string_view tail);
  [[nodiscard]] Result<> settle(QueueId id, const std::vector<RecipientOutcome>& outcomes,
                                std::string_view keep_signature);
  /// Removes the pieces of a message that does not exist.
  [[nodiscard]] Result<> discard_pieces(QueueId id);
  /// What a crash left behind: pieces whose message never came to exist, messages marked as removed.
  [[nodiscard]] Result<> sweep();
  /// For a message that nobody has leased.
  [[nodiscard]] Result<> operate(QueueId id, Operation operation, TimePoint now);
  /// For one that is leased: it is never due again, and gone with finish_removal().
  [[nodiscard]] Result<> mark_removed(QueueId id);
  [[nodiscard]] Result<> finish_removal(QueueId id);

 private:
  explicit QueueTables(std::vector<store::Statement> statements) : statements_(std::move(statements)) {}
  [[nodiscard]] Result<> remove_if_done(QueueId id);
  std::vector<store::Statement> statements_;
};

}  // namespace postern::queue
