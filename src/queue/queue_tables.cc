#include "queue/queue_tables.h"

namespace postern::queue {
namespace {

// The last, usually only, piece of a message lives in its row: a small mail is one row here and one per
// recipient.
const char* const kSchemaV1 = R"(
CREATE TABLE messages(
  id INTEGER PRIMARY KEY, account INTEGER NOT NULL, account_name, session INTEGER NOT NULL, reverse_path, ret INTEGER NOT NULL,
  envid, smtputf8 INTEGER NOT NULL, eight_bit INTEGER NOT NULL, signing_domain, signature, accepted_at INTEGER NOT NULL,
  size INTEGER NOT NULL, pieces INTEGER NOT NULL, tail);
CREATE TABLE recipients(
  message INTEGER NOT NULL, number INTEGER NOT NULL, address, domain, notify INTEGER NOT NULL, orcpt, state INTEGER NOT NULL,
  attempts INTEGER NOT NULL, next_attempt INTEGER NOT NULL, status, text, PRIMARY KEY(message, number)) WITHOUT ROWID;
CREATE INDEX due ON recipients(next_attempt) WHERE state = 0;
CREATE TABLE pieces(message INTEGER NOT NULL, number INTEGER NOT NULL, content, PRIMARY KEY(message, number)) WITHOUT ROWID;
)";

// Removed in the middle of an attempt: found again after a crash without looking at every recipient.
const char* const kSchemaV2 = "CREATE INDEX removed ON recipients(message) WHERE state = 2;";

// Whether the sender was told that the mail is late: at most once (RFC 3461 §5.2.5, and good manners).
const char* const kSchemaV3 = "ALTER TABLE recipients ADD COLUMN delay_reported INTEGER NOT NULL DEFAULT 0;";

// What MAIL asked for beyond RFC 3461 (smtp::to_params), and until when its sender holds it (RFC 4865).
const char* const kSchemaV4 = R"(
ALTER TABLE messages ADD COLUMN handling DEFAULT '';
ALTER TABLE messages ADD COLUMN not_before INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN binary INTEGER NOT NULL DEFAULT 0;
)";

enum Query : std::size_t {
  kInsertPiece,
  kInsertMessage,
  kInsertRecipient,
  kDeleteRecipient,
  kRetryRecipient,
  kHoldRecipient,
  kKeepSignature,
  kDeleteMessageIfDone,
  kDeletePieces,
  kSweepPieces,
  kRetryAll,
  kHoldAll,
  kReleaseAll,
  kRemoveAll,
  kMarkRemoved,
  kFinishRemoval,
  kSweepRemoved,
  kSweepRemovedRecipients,
};

constexpr std::string_view kQueries[] = {
    "INSERT INTO pieces VALUES(?,?,?)",
    "INSERT INTO messages VALUES(?,?,?,?,?,?,?,?,?,?,'',?,?,?,?,?,?,?)",
    "INSERT INTO recipients VALUES(?,?,?,?,?,?,0,0,?,'','',0)",
    "DELETE FROM recipients WHERE message=? AND number=?",
    "UPDATE recipients SET attempts=attempts+?, next_attempt=?, status=?, text=?, "
    "delay_reported=max(delay_reported,?) WHERE message=? AND number=?",
    "UPDATE recipients SET state=1, status=?, text=? WHERE message=? AND number=? AND state=0",
    "UPDATE messages SET signature=? WHERE id=?",
    "DELETE FROM messages WHERE id=?1 AND NOT EXISTS (SELECT 1 FROM recipients WHERE message=?1)",
    "DELETE FROM pieces WHERE message=?1 AND NOT EXISTS (SELECT 1 FROM messages WHERE id=?1)",
    "DELETE FROM pieces WHERE message NOT IN (SELECT id FROM messages)",
    "UPDATE recipients SET next_attempt=max(?2,(SELECT not_before FROM messages WHERE id=?1)) WHERE "
    "message=?1 "
    "AND state=0",
    "UPDATE recipients SET state=1 WHERE message=?1 AND state=0",
    "UPDATE recipients SET state=0, next_attempt=max(?2,(SELECT not_before FROM messages WHERE id=?1)) WHERE "
    "message=?1 AND state=1",
    "DELETE FROM recipients WHERE message=?1",
    "UPDATE recipients SET state=2 WHERE message=?1",
    "DELETE FROM recipients WHERE message=?1 AND state=2",
    "DELETE FROM messages WHERE id IN (SELECT message FROM recipients WHERE state=2)",
    "DELETE FROM recipients WHERE state=2",
};

std::int64_t millis(TimePoint when) { return when.time_since_epoch().count(); }

}  // namespace

const std::vector<std::string>& queue_schema() {
  static const std::vector<std::string> kSteps{kSchemaV1, kSchemaV2, kSchemaV3, kSchemaV4};
  return kSteps;
}

Result<QueueTables> QueueTables::prepare(store::Database& database) {
  std::vector<store::Statement> statements;
  for (const std::string_view sql : kQueries) {
    POSTERN_TRY(store::Statement statement, database.prepare(sql));
    statements.push_back(std::move(statement));
  }
  return QueueTables(std::move(statements));
}

Result<> QueueTables::insert_piece(QueueId id, std::uint32_t number, std::string_view content) {
  return statements_[kInsertPiece].bind(id.value, std::int64_t{number}, content).run();
}

Result<> QueueTables::insert_message(const NewMessage& m, std::uint64_t size, std::uint32_t pieces,
                                     std::string_view tail) {
  const smtp::Envelope& e = m.envelope;
  POSTERN_CHECK(statements_[kInsertMessage]
                    .bind(m.id.value, m.account.value, std::string_view(m.account_name), m.session.value,
                          std::string_view(e.reverse_path), static_cast<std::int64_t>(e.params.ret),
                          std::string_view(e.params.envid), std::int64_t{m.smtputf8},
                          std::int64_t{m.eight_bit}, std::string_view(m.signing_domain),
                          millis(m.accepted_at), static_cast<std::int64_t>(size), std::int64_t{pieces}, tail,
                          std::string_view(smtp::to_params(e.params.handling)), millis(m.not_before()),
                          std::int64_t{m.binary})
                    .run());
  std::int64_t number = 0;
  for (const smtp::Recipient& r : e.recipients) {
    POSTERN_CHECK(statements_[kInsertRecipient]
                      .bind(m.id.value, number++, std::string_view(r.address), std::string_view(r.domain),
                            std::int64_t{r.notify.bits}, std::string_view(r.orcpt), millis(m.not_before()))
                      .run());
  }
  return {};
}

Result<> QueueTables::settle(QueueId id, const std::vector<RecipientOutcome>& outcomes,
                             std::string_view keep_signature) {
  bool some_done = false;
  for (const RecipientOutcome& o : outcomes) {
    switch (o.kind) {
      case RecipientOutcome::Kind::Delivered:
      case RecipientOutcome::Kind::Failed:
        some_done = true;
        POSTERN_CHECK(statements_[kDeleteRecipient].bind(id.value, std::int64_t{o.index}).run());
        break;
      case RecipientOutcome::Kind::Retry:
      case RecipientOutcome::Kind::Postponed:
        POSTERN_CHECK(statements_[kRetryRecipient]
                          .bind(std::int64_t{o.kind == RecipientOutcome::Kind::Retry}, millis(o.retry_at),
                                std::string_view(o.status), std::string_view(o.text),
                                std::int64_t{o.delay_reported}, id.value, std::int64_t{o.index})
                          .run());
        break;
      case RecipientOutcome::Kind::Held:
        POSTERN_CHECK(
            statements_[kHoldRecipient]
                .bind(std::string_view(o.status), std::string_view(o.text), id.value, std::int64_t{o.index})
                .run());
        break;
      case RecipientOutcome::Kind::Untried:
        break;
    }
  }
  if (!keep_signature.empty())
    POSTERN_CHECK(statements_[kKeepSignature].bind(keep_signature, id.value).run());
  return some_done ? remove_if_done(id) : Result<>{};
}

Result<> QueueTables::remove_if_done(QueueId id) {
  POSTERN_CHECK(statements_[kDeleteMessageIfDone].bind(id.value).run());
  return discard_pieces(id);
}

Result<> QueueTables::discard_pieces(QueueId id) { return statements_[kDeletePieces].bind(id.value).run(); }

Result<> QueueTables::mark_removed(QueueId id) { return statements_[kMarkRemoved].bind(id.value).run(); }

Result<> QueueTables::finish_removal(QueueId id) {
  POSTERN_CHECK(statements_[kFinishRemoval].bind(id.value).run());
  return remove_if_done(id);
}

Result<> QueueTables::sweep() {
  POSTERN_CHECK(statements_[kSweepRemoved].bind().run());
  POSTERN_CHECK(statements_[kSweepRemovedRecipients].bind().run());
  return statements_[kSweepPieces].bind().run();
}

Result<> QueueTables::operate(QueueId id, Operation operation, TimePoint now) {
  switch (operation) {
    case Operation::Retry:
      return statements_[kRetryAll].bind(id.value, millis(now)).run();
    case Operation::Hold:
      return statements_[kHoldAll].bind(id.value).run();
    case Operation::Release:
      return statements_[kReleaseAll].bind(id.value, millis(now)).run();
    case Operation::Remove:
      POSTERN_CHECK(statements_[kRemoveAll].bind(id.value).run());
      return remove_if_done(id);
  }
  return fail(Errc::Internal, "unknown operation");
}

}  // namespace postern::queue
