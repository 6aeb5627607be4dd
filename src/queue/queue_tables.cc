#include "queue/queue_tables.h"

#include <algorithm>

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

// Fair turns (queue/schedule.h): the file is asked for one account's recipients in one domain; `state` is in the index so
// that a question is answered from it alone. And large messages under way, so that a start does not look for what is left of
// them in every piece.
const char* const kSchemaV5 = R"(
ALTER TABLE recipients ADD COLUMN account INTEGER NOT NULL DEFAULT 0;
ALTER TABLE recipients ADD COLUMN bounce INTEGER NOT NULL DEFAULT 0;
UPDATE recipients SET account = COALESCE((SELECT account FROM messages WHERE id = message), 0);
DROP INDEX due;
CREATE INDEX flows ON recipients(account, domain, next_attempt, message, number, state) WHERE state = 0;
CREATE TABLE drafts(message INTEGER PRIMARY KEY);
INSERT INTO drafts SELECT DISTINCT message FROM pieces WHERE message NOT IN (SELECT id FROM messages);
CREATE TABLE account_holds(account INTEGER PRIMARY KEY, name, since INTEGER NOT NULL, reason);
)";

// What tells the mail of a thief from that of the owner: see Filter.
const char* const kSchemaV6 = R"(
ALTER TABLE messages ADD COLUMN client DEFAULT '';
ALTER TABLE messages ADD COLUMN novelty INTEGER NOT NULL DEFAULT 0;
)";

// How much is held, and since when, without looking at what waits.
const char* const kSchemaV7 = "CREATE INDEX held ON recipients(message) WHERE state = 1;";

// Without rowid a look-up compares whole records, content and all: slow, and a damaged page of one message was met on the
// way to others.
const char* const kSchemaV8 = R"(
CREATE TABLE bodies(message INTEGER NOT NULL, number INTEGER NOT NULL, content);
INSERT INTO bodies SELECT message, number, content FROM pieces;
DROP TABLE pieces;
ALTER TABLE bodies RENAME TO pieces;
CREATE UNIQUE INDEX piece_of ON pieces(message, number);
)";

// The content is last in its row: what stands behind it is read through it, page by page, and not at all when one is damaged.
// So what comes next about a message goes into a table of its own.
const char* const kSchemaV9 = R"(
CREATE TABLE mails(
  id INTEGER PRIMARY KEY, account INTEGER NOT NULL, account_name, session INTEGER NOT NULL, reverse_path, ret INTEGER NOT NULL,
  envid, smtputf8 INTEGER NOT NULL, eight_bit INTEGER NOT NULL, signing_domain, signature, accepted_at INTEGER NOT NULL,
  size INTEGER NOT NULL, pieces INTEGER NOT NULL, handling DEFAULT '', not_before INTEGER NOT NULL DEFAULT 0,
  binary INTEGER NOT NULL DEFAULT 0, client DEFAULT '', novelty INTEGER NOT NULL DEFAULT 0, tail);
INSERT INTO mails SELECT id, account, account_name, session, reverse_path, ret, envid, smtputf8, eight_bit, signing_domain,
  signature, accepted_at, size, pieces, handling, not_before, binary, client, novelty, tail FROM messages;
DROP TABLE messages;
ALTER TABLE mails RENAME TO messages;
)";

enum Query : std::size_t {
  kInsertPiece,
  kInsertDraft,
  kDeleteDraft,
  kInsertMessage,
  kInsertRecipient,
  kDeleteRecipient,
  kRetryRecipient,
  kHoldRecipient,
  kKeepSignature,
  kDeleteMessageIfDone,
  kDeletePieces,
  kSweepPieces,
  kSweepDrafts,
  kRetryAll,
  kHoldAll,
  kReleaseAll,
  kRemoveAll,
  kMarkRemoved,
  kFinishRemoval,
  kSweepMark,
  kSweepRemoved,
  kSweepRemovedRecipients,
  kBounceAll,
  kCount,
  kWaitingDomains,
  kHoldAccount,
  kReleaseAccount,
  kCountWaiting,
  kCountHeld,
  kCountsOf,
};

#define POSTERN_MEANT                                                                                  \
  " AND (?5=x'' OR lower(address)=lower(?5)) AND (?6=x'' OR domain=?6) AND (?7=x'' OR status=?7 OR "   \
  "instr(lower(text),lower(?7))>0) AND (?8<0 OR state=?8 OR (?8=1 AND state=0 AND account IN (SELECT " \
  "account FROM account_holds))) "

constexpr std::string_view kQueries[] = {
    "INSERT INTO pieces VALUES(?,?,?)",
    "INSERT INTO drafts VALUES(?)",
    "DELETE FROM drafts WHERE message=?",
    "INSERT INTO "
    "messages(id,account,account_name,session,reverse_path,ret,envid,smtputf8,eight_bit,signing_domain,"
    "signature,"
    "accepted_at,size,pieces,tail,handling,not_before,binary,client,novelty) "
    "VALUES(?,?,?,?,?,?,?,?,?,?,'',?,?,?,?,?,?,?,?,?)",
    "INSERT INTO recipients VALUES(?,?,?,?,?,?,0,0,?,'','',0,?,0)",
    "DELETE FROM recipients WHERE message=? AND number=?",
    "UPDATE recipients SET attempts=attempts+?, next_attempt=?, status=?, "
    "text=?, delay_reported=max(delay_reported,?) WHERE message=? AND number=?",
    "UPDATE recipients SET state=1, status=?, text=? WHERE message=? AND number=? AND state=0",
    "UPDATE messages SET signature=? WHERE id=?",
    "DELETE FROM messages WHERE id=?1 AND NOT EXISTS (SELECT 1 FROM recipients WHERE message=?1)",
    "DELETE FROM pieces WHERE message=?1 AND NOT EXISTS (SELECT 1 FROM messages WHERE id=?1)",
    "DELETE FROM pieces WHERE message IN (SELECT message FROM drafts)",
    "DELETE FROM drafts",
    "UPDATE recipients SET next_attempt=max(?10,(SELECT not_before FROM messages WHERE id=?1)) WHERE "
    "message=?1 AND state=0" POSTERN_MEANT,
    "UPDATE recipients SET state=1 WHERE message=?1 AND state=0" POSTERN_MEANT,
    "UPDATE recipients SET state=0, next_attempt=max(?10,(SELECT not_before FROM messages WHERE id=?1)) "
    "WHERE message=?1 AND state=1" POSTERN_MEANT,
    "DELETE FROM recipients WHERE message=?1" POSTERN_MEANT,
    "UPDATE recipients SET state=2 WHERE message=?1" POSTERN_MEANT,
    "DELETE FROM recipients WHERE message=?1 AND state=2",
    "INSERT OR IGNORE INTO drafts SELECT message FROM recipients r WHERE state=2 AND NOT EXISTS (SELECT 1 "
    "FROM "
    "recipients o WHERE o.message=r.message AND o.state<>2)",
    "DELETE FROM messages WHERE id IN (SELECT message FROM drafts)",
    "DELETE FROM recipients WHERE state=2",
    "UPDATE recipients SET state=0, bounce=1, next_attempt=0 WHERE message=?1 AND state<2" POSTERN_MEANT,
    "SELECT count(*) FROM recipients WHERE message=?1 AND state<2" POSTERN_MEANT,
    "SELECT DISTINCT account,domain FROM recipients WHERE message=? AND state=0",
    "INSERT OR REPLACE INTO account_holds VALUES(?,?,?,?)",
    "DELETE FROM account_holds WHERE account=?",
    "SELECT count(*) FROM recipients WHERE state=0",
    "SELECT count(*) FROM recipients WHERE state=1",
    "SELECT state,count(*) FROM recipients WHERE message=? GROUP BY state",
};

std::int64_t millis(TimePoint when) { return when.time_since_epoch().count(); }

/// An address so that networks are ranges: '4' or '6', and the octets in network order.
std::string client_key(const net::IpAddress& ip) {
  std::string key(1, ip.is_v6() ? '6' : '4');
  for (std::size_t i = 0; i < (ip.is_v6() ? 16U : 4U); ++i) key += static_cast<char>(ip.octets().at(i));
  return key;
}

std::string as_literal(const std::string& octets) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const char c : octets) {
    const auto octet = static_cast<unsigned char>(c);
    hex += kDigits[octet >> 4U];
    hex += kDigits[octet & 15U];
  }
  return "x'" + hex + "'";
}

}  // namespace

const char* const kRecipientConditions = POSTERN_MEANT;

std::string message_conditions(const Filter& filter) {
  std::string sql = " WHERE 1";
  if (filter.id) sql += " AND id=?1";
  if (!filter.account.empty()) sql += " AND lower(account_name)=lower(?2)";
  if (!filter.sender.empty()) sql += " AND lower(reverse_path)=lower(?3)";
  if (filter.accepted_before) sql += " AND accepted_at<=?4";
  if (filter.scheduled_after) sql += " AND not_before>" + std::to_string(millis(*filter.scheduled_after));
  if (filter.accepted_since) sql += " AND accepted_at>=" + std::to_string(millis(*filter.accepted_since));
  if (filter.network)
    sql += " AND client BETWEEN " + as_literal(client_key(filter.network->first())) + " AND " +
           as_literal(client_key(filter.network->last()));
  if (filter.min_novelty > 0) sql += " AND novelty>=" + std::to_string(filter.min_novelty);
  return sql;
}

void bind_filter(store::Statement& query, const Filter& filter, std::int64_t more) {
  query.bind(filter.id ? filter.id->value : 0, std::string_view(filter.account),
             std::string_view(filter.sender), filter.accepted_before ? millis(*filter.accepted_before) : 0,
             std::string_view(filter.recipient), std::string_view(filter.site),
             std::string_view(filter.reason), filter.state ? static_cast<std::int64_t>(*filter.state) : -1,
             static_cast<std::int64_t>(std::min<std::size_t>(filter.limit, INT64_MAX)), more);
}

const std::vector<std::string>& queue_schema() {
  static const std::vector<std::string> kSteps{kSchemaV1, kSchemaV2, kSchemaV3, kSchemaV4, kSchemaV5,
                                               kSchemaV6, kSchemaV7, kSchemaV8, kSchemaV9};
  return kSteps;
}

Result<QueueTables> QueueTables::prepare(store::Database& database) {
  // Debian's SQLite overwrites what is deleted with zeros: each page of a delivered body went through the log again.
  POSTERN_CHECK(database.execute("PRAGMA secure_delete=OFF"));
  std::vector<store::Statement> statements;
  for (const std::string_view sql : kQueries) {
    POSTERN_TRY(store::Statement statement, database.prepare(sql));
    statements.push_back(std::move(statement));
  }
  return QueueTables(std::move(statements));
}

Result<> QueueTables::insert_piece(QueueId id, std::uint32_t number, std::string_view content) {
  if (number == 0) POSTERN_CHECK(statements_[kInsertDraft].bind(id.value).run());
  return statements_[kInsertPiece].bind(id.value, std::int64_t{number}, content).run();
}

Result<> QueueTables::insert_message(const NewMessage& m, std::uint64_t size, std::uint32_t pieces,
                                     std::string_view tail) {
  const smtp::Envelope& e = m.envelope;
  const std::string client = m.client ? client_key(*m.client) : std::string();
  for (; tail.size() > kPiece; tail.remove_prefix(kPiece))
    POSTERN_CHECK(insert_piece(m.id, pieces++, tail.substr(0, kPiece)));
  POSTERN_CHECK(statements_[kInsertMessage]
                    .bind(m.id.value, m.account.value, std::string_view(m.account_name), m.session.value,
                          std::string_view(e.reverse_path), static_cast<std::int64_t>(e.params.ret),
                          std::string_view(e.params.envid), std::int64_t{m.smtputf8},
                          std::int64_t{m.eight_bit}, std::string_view(m.signing_domain),
                          millis(m.accepted_at), static_cast<std::int64_t>(size), std::int64_t{pieces}, tail,
                          std::string_view(smtp::to_params(e.params.handling)), millis(m.not_before()),
                          std::int64_t{m.binary}, std::string_view(client), std::int64_t{m.novelty})
                    .run());
  if (pieces > 0) POSTERN_CHECK(statements_[kDeleteDraft].bind(m.id.value).run());
  std::int64_t number = 0;
  for (const smtp::Recipient& r : e.recipients) {
    POSTERN_CHECK(statements_[kInsertRecipient]
                      .bind(m.id.value, number++, std::string_view(r.address), std::string_view(r.domain),
                            std::int64_t{r.notify.bits}, std::string_view(r.orcpt), millis(m.not_before()),
                            m.account.value)
                      .run());
  }
  with_change_.waiting += number;
  return {};
}

Result<> QueueTables::load_counts() {
  POSTERN_CHECK(statements_[kCountWaiting].bind().step());
  with_change_.waiting = statements_[kCountWaiting].integer(0);
  statements_[kCountWaiting].reset();
  POSTERN_CHECK(statements_[kCountHeld].bind().step());
  with_change_.held = statements_[kCountHeld].integer(0);
  statements_[kCountHeld].reset();
  committed();
  return {};
}

Result<Counts> QueueTables::counts_of(QueueId id) {
  Counts counts;
  statements_[kCountsOf].bind(id.value);
  for (;;) {
    POSTERN_TRY(const bool row, statements_[kCountsOf].step());
    if (!row) return counts;
    const std::int64_t number = statements_[kCountsOf].integer(1);
    switch (static_cast<RecipientState>(statements_[kCountsOf].integer(0))) {
      case RecipientState::Waiting:
        counts.waiting = number;
        break;
      case RecipientState::Held:
        counts.held = number;
        break;
      case RecipientState::Removed:
        counts.removed = number;
        break;
    }
  }
}

/// Runs a change of one message's recipients, whatever their states are.
template <class Change>
Result<> QueueTables::counted(QueueId id, Change change) {
  POSTERN_TRY(const Counts before, counts_of(id));
  POSTERN_CHECK(change());
  POSTERN_TRY(const Counts after, counts_of(id));
  with_change_.waiting += after.waiting - before.waiting;
  with_change_.held += after.held - before.held;
  with_change_.removed += after.removed - before.removed;
  return {};
}

Result<> QueueTables::settle(QueueId id, const std::vector<RecipientOutcome>& outcomes,
                             std::string_view keep_signature) {
  Settled settled;
  if (with_change_.held == 0 && with_change_.removed == 0) {
    // Nearly always: all wait, and what they were need not be looked up.
    POSTERN_CHECK(settle_each(id, outcomes, settled));
    with_change_.waiting -= settled.gone + settled.held;
    with_change_.held += settled.held;
  } else {
    POSTERN_CHECK(counted(id, [&] { return settle_each(id, outcomes, settled); }));
  }
  if (!keep_signature.empty())
    POSTERN_CHECK(statements_[kKeepSignature].bind(keep_signature, id.value).run());
  return settled.gone > 0 ? remove_if_done(id) : Result<>{};
}

Result<> QueueTables::settle_each(QueueId id, const std::vector<RecipientOutcome>& outcomes,
                                  Settled& settled) {
  for (const RecipientOutcome& o : outcomes) {
    switch (o.kind) {
      case RecipientOutcome::Kind::Delivered:
      case RecipientOutcome::Kind::Failed:
        POSTERN_CHECK(statements_[kDeleteRecipient].bind(id.value, std::int64_t{o.index}).run());
        settled.gone += statements_[kDeleteRecipient].changed();
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
        settled.held += statements_[kHoldRecipient].changed();
        break;
      case RecipientOutcome::Kind::Untried:
        break;
    }
  }
  return {};
}

Result<> QueueTables::remove_if_done(QueueId id) {
  POSTERN_CHECK(statements_[kDeleteMessageIfDone].bind(id.value).run());
  return discard_pieces(id);
}

Result<> QueueTables::discard_pieces(QueueId id) { return statements_[kDeletePieces].bind(id.value).run(); }

Result<> QueueTables::discard_draft(QueueId id) {
  POSTERN_CHECK(statements_[kDeleteDraft].bind(id.value).run());
  return discard_pieces(id);
}

namespace {
Filter only(QueueId id, const Filter& filter) {
  Filter one = filter;
  one.id = id;
  return one;
}
}  // namespace

Result<> QueueTables::mark_removed(QueueId id, const Filter& filter) {
  const Filter one = only(id, filter);
  return counted(id, [&] {
    bind_filter(statements_[kMarkRemoved], one);
    return statements_[kMarkRemoved].run();
  });
}

Result<> QueueTables::finish_removal(QueueId id) {
  POSTERN_CHECK(counted(id, [&] { return statements_[kFinishRemoval].bind(id.value).run(); }));
  return remove_if_done(id);
}

Result<> QueueTables::sweep() {
  POSTERN_CHECK(statements_[kSweepMark].bind().run());
  POSTERN_CHECK(statements_[kSweepRemoved].bind().run());
  POSTERN_CHECK(statements_[kSweepRemovedRecipients].bind().run());
  POSTERN_CHECK(statements_[kSweepPieces].bind().run());
  return statements_[kSweepDrafts].bind().run();
}

Result<> QueueTables::operate(QueueId id, const Filter& filter, Operation operation, TimePoint now) {
  const auto run = [&](Query query) {
    // Named: what is bound has to live until the statement has run.
    const Filter one = only(id, filter);
    return counted(id, [&] {
      bind_filter(statements_[query], one, millis(now));
      return statements_[query].run();
    });
  };
  switch (operation) {
    case Operation::Retry:
      return run(kRetryAll);
    case Operation::Hold:
      return run(kHoldAll);
    case Operation::Release:
      return run(kReleaseAll);
    case Operation::Remove:
      POSTERN_CHECK(run(kRemoveAll));
      return remove_if_done(id);
    case Operation::Bounce:
      return run(kBounceAll);
  }
  return fail(Errc::Internal, "unknown operation");
}

Result<std::size_t> QueueTables::count(QueueId id, const Filter& filter) {
  const Filter one = only(id, filter);
  bind_filter(statements_[kCount], one);
  POSTERN_CHECK(statements_[kCount].step());
  const std::int64_t found = statements_[kCount].integer(0);
  statements_[kCount].reset();
  return static_cast<std::size_t>(found);
}

Result<std::vector<std::string>> QueueTables::waiting_domains(QueueId id, AccountId& account) {
  std::vector<std::string> domains;
  statements_[kWaitingDomains].bind(id.value);
  for (;;) {
    POSTERN_TRY(const bool row, statements_[kWaitingDomains].step());
    if (!row) return domains;
    account = AccountId{statements_[kWaitingDomains].integer(0)};
    domains.push_back(statements_[kWaitingDomains].text(1));
  }
}

Result<> QueueTables::hold_account(const AccountHold& hold) {
  return statements_[kHoldAccount]
      .bind(hold.account.value, std::string_view(hold.account_name), millis(hold.since),
            std::string_view(hold.reason))
      .run();
}

Result<> QueueTables::release_account(AccountId account) {
  return statements_[kReleaseAccount].bind(account.value).run();
}

}  // namespace postern::queue
