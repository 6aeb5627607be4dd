#include "queue/queue_reader.h"

#include "queue/queue_tables.h"

#include <algorithm>
#include <unordered_set>

namespace postern::queue {
namespace {
TimePoint time_of(std::int64_t millis) { return TimePoint{std::chrono::milliseconds{millis}}; }
std::int64_t millis(TimePoint when) { return when.time_since_epoch().count(); }

/// Which messages a filter means, the oldest first.
std::string matching_sql(const Filter& filter) {
  std::string sql = message_conditions(filter);
  if (filter.by_recipient())
    sql += std::string(" AND EXISTS (SELECT 1 FROM recipients WHERE message=id") + kRecipientConditions + ")";
  return sql + " ORDER BY id LIMIT ?9";
}

constexpr const char* kKeptQueries[] = {
    "SELECT next_attempt,message,number FROM recipients WHERE state=0 AND account=?1 AND domain=?2 AND "
    "(next_attempt,message,number)>(?3,?4,?5) ORDER BY next_attempt,message,number",
    "SELECT account,account_name,session,reverse_path,ret,envid,smtputf8,eight_bit,signing_domain,"
    "signature,accepted_at,size,handling,binary,novelty FROM messages WHERE id=?",
    "SELECT number,address,domain,notify,orcpt,attempts,bounce,delay_reported,next_attempt FROM recipients "
    "WHERE "
    "message=? "
    "AND state=0 AND next_attempt<=? ORDER BY number",
    "SELECT pieces,size,length(tail) FROM messages WHERE id=?",
    "SELECT tail FROM messages WHERE id=?",
    "SELECT content FROM pieces WHERE message=? AND number=?",
};

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}
}  // namespace

Result<QueueReader> QueueReader::open(const std::string& path, const char* vfs) {
  POSTERN_TRY(store::Database database, store::Database::open(path, store::Database::Sync::Full, vfs));
  POSTERN_CHECK(database.migrate(queue_schema()));  // for who reads the files of a server that is stopped
  return QueueReader(std::move(database));
}

Result<store::Statement*> QueueReader::kept(Kept which) {
  std::optional<store::Statement>& statement = kept_[which];
  if (!statement) {
    POSTERN_TRY(statement, database_.prepare(kKeptQueries[which]));
  }
  return &*statement;
}

Result<> QueueReader::flows(const std::function<void(AccountId, std::string, TimePoint)>& flow) {
  // Answered from the index alone, one row after the other.
  POSTERN_TRY(store::Statement query,
              database_.prepare("SELECT account,domain,min(next_attempt) FROM recipients WHERE state=0 "
                                "GROUP BY account,domain"));
  for (;;) {
    POSTERN_TRY(const bool row, query.step());
    if (!row) return {};
    flow(AccountId{query.integer(0)}, query.text(1), time_of(query.integer(2)));
  }
}

Result<QueueReader::Look> QueueReader::look(const Schedule::Turn& turn, TimePoint now,
                                            const std::function<bool(const Position&)>& take,
                                            std::vector<QueueId>& taken) {
  POSTERN_TRY(store::Statement* const statement, kept(kLook));
  const Use query(*statement);
  query->bind(turn.account.value, std::string_view(turn.domain), turn.after.due, turn.after.message,
              turn.after.number);
  Look result;
  Position last = turn.after;
  std::size_t found = 0;
  for (;;) {
    POSTERN_TRY(const bool row, query->step());
    if (!row) return result;
    const Position at{query->integer(0), query->integer(1), query->integer(2)};
    // Without an order there is no end either.
    if (at <= last) return fail(Errc::Corrupt, "the index of what is due is damaged");
    last = at;
    if (at.due > millis(now)) {
      result.next_due = time_of(at.due);
      break;
    }
    if (take(at)) {
      taken.push_back(QueueId{at.message});
      ++found;
    }
    if (found < turn.room) continue;
    result.reached = at;
    break;
  }
  return result;
}

Result<Lease> QueueReader::load(QueueId id, TimePoint now) {
  POSTERN_TRY(store::Statement* const statement, kept(kMessage));
  const Use query(*statement);
  POSTERN_TRY(const bool found, query->bind(id.value).step());
  if (!found) return fail(Errc::NotFound, "recipients without a message");
  Lease lease;
  lease.id = id;
  lease.account = AccountId{query->integer(0)};
  lease.account_name = query->text(1);
  lease.session = SessionId{query->integer(2)};
  lease.envelope.reverse_path = query->text(3);
  const std::int64_t ret = query->integer(4);
  if (ret < 0 || ret > static_cast<std::int64_t>(smtp::Ret::Headers))
    return fail(Errc::Corrupt, "unknown RET");
  lease.envelope.params.ret = static_cast<smtp::Ret>(ret);
  lease.envelope.params.envid = query->text(5);
  lease.smtputf8 = query->integer(6) != 0;
  lease.eight_bit = query->integer(7) != 0;
  lease.envelope.params.smtputf8 = lease.smtputf8;
  lease.signing_domain = query->text(8);
  lease.signature = query->text(9);
  lease.accepted_at = time_of(query->integer(10));
  lease.size = static_cast<std::uint64_t>(query->integer(11));
  POSTERN_TRY(lease.envelope.params.handling, smtp::parse_handling(query->text(12)));
  lease.binary = query->integer(13) != 0;
  lease.novelty = static_cast<std::uint32_t>(query->integer(14));
  if (has_control(lease.envelope.reverse_path)) return fail(Errc::Corrupt, "the reverse-path");
  POSTERN_CHECK(load_recipients(lease, now));
  return lease;
}

Result<> QueueReader::load_recipients(Lease& lease, TimePoint now) {
  POSTERN_TRY(store::Statement* const statement, kept(kRecipients));
  const Use recipients(*statement);
  recipients->bind(lease.id.value, millis(now));
  for (;;) {
    POSTERN_TRY(const bool row, recipients->step());
    if (!row) return {};
    smtp::Recipient r{recipients->text(1),
                      recipients->text(2),
                      {static_cast<std::uint8_t>(recipients->integer(3))},
                      recipients->text(4)};
    // An address goes onto the wire: a damaged one must not become a command.
    if (r.address.empty() || has_control(r.address) || has_control(r.orcpt))
      return fail(Errc::Corrupt, "the address of recipient " + std::to_string(recipients->integer(0)));
    lease.index.push_back(static_cast<std::uint32_t>(recipients->integer(0)));
    lease.attempts.push_back(static_cast<std::uint32_t>(recipients->integer(5)));
    lease.bounce.push_back(recipients->integer(6) != 0);
    lease.delay_reported.push_back(recipients->integer(7) != 0);
    lease.due.push_back(time_of(recipients->integer(8)));
    lease.envelope.recipients.push_back(std::move(r));
  }
}

Result<std::string> QueueReader::piece(QueueId id, std::uint32_t number) {
  POSTERN_TRY(store::Statement* const lengths, kept(kLengths));
  std::int64_t pieces = 0;
  {
    const Use message(*lengths);
    POSTERN_TRY(const bool found, message->bind(id.value).step());
    if (!found) return fail(Errc::NotFound, "no such message");
    pieces = message->integer(0);
    if (pieces < 0 || pieces * static_cast<std::int64_t>(kPiece) + message->integer(2) != message->integer(1))
      return fail(Errc::Corrupt, "the content is not as long as it was");
  }
  if (number > pieces) return std::string();
  POSTERN_TRY(store::Statement* const statement, kept(number == pieces ? kTail : kPieceOf));
  const Use query(*statement);
  number == pieces ? query->bind(id.value) : query->bind(id.value, std::int64_t{number});
  POSTERN_TRY(const bool row, query->step());
  if (!row) return fail(Errc::Corrupt, "a piece of the message is missing");
  std::string content = query->text(0);
  if (number < pieces && content.size() != kPiece)
    return fail(Errc::Corrupt, "a piece of the message is short");
  return content;
}

Result<std::vector<QueueId>> QueueReader::matching(const Filter& filter) {
  POSTERN_TRY(store::Statement query, database_.prepare("SELECT id FROM messages" + matching_sql(filter)));
  bind_filter(query, filter);
  std::vector<QueueId> ids;
  for (;;) {
    POSTERN_TRY(const bool row, query.step());
    if (!row) return ids;
    ids.push_back(QueueId{query.integer(0)});
  }
}

Result<Operated> QueueReader::count(const Filter& filter) {
  POSTERN_TRY(store::Statement query,
              database_.prepare(std::string("SELECT count(*),count(DISTINCT message) FROM recipients WHERE "
                                            "state<2 AND message IN (SELECT id FROM messages") +
                                matching_sql(filter) + ")" + kRecipientConditions));
  bind_filter(query, filter);
  POSTERN_CHECK(query.step());
  Operated found;
  found.recipients = static_cast<std::size_t>(query.integer(0));
  found.messages = static_cast<std::size_t>(query.integer(1));
  return found;
}

Result<std::vector<Grouped>> QueueReader::group(const Filter& filter, GroupBy by) {
  const char* const key = by == GroupBy::Site     ? "domain"
                          : by == GroupBy::Reason ? "CASE length(status) WHEN 0 THEN CAST(text AS BLOB) ELSE "
                                                    "CAST(status||' '||text AS BLOB) END"
                                                  : "account_name";
  std::string where = message_conditions(filter);
  POSTERN_TRY(store::Statement query,
              database_.prepare(
                  std::string("SELECT ") + key +
                  ",count(DISTINCT message),count(*),sum(state=1 OR r.account IN (SELECT account "
                  "FROM account_holds)),min(accepted_at),min(next_attempt) FROM recipients r JOIN "
                  "(SELECT id,account_name,reverse_path,accepted_at,not_before,client,novelty FROM messages) "
                  "m ON m.id=message" +
                  where + " AND state<2" + kRecipientConditions + " GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT ?9"));
  bind_filter(query, filter);
  std::vector<Grouped> groups;
  for (;;) {
    POSTERN_TRY(const bool row, query.step());
    if (!row) return groups;
    Grouped group;
    group.key = query.text(0);
    group.messages = static_cast<std::size_t>(query.integer(1));
    group.recipients = static_cast<std::size_t>(query.integer(2));
    group.held = static_cast<std::size_t>(query.integer(3));
    group.oldest = time_of(query.integer(4));
    group.next_attempt = time_of(query.integer(5));
    groups.push_back(std::move(group));
  }
}

Result<std::vector<Listed>> QueueReader::list(const Filter& filter) {
  POSTERN_TRY(
      store::Statement query,
      database_.prepare(
          "SELECT id,account_name,reverse_path,accepted_at,size,not_before,account IN (SELECT account "
          "FROM account_holds),client,novelty FROM messages" +
          matching_sql(filter)));
  bind_filter(query, filter);
  std::vector<Listed> listed;
  for (;;) {
    POSTERN_TRY(const bool row, query.step());
    if (!row) break;
    Listed entry;
    entry.id = QueueId{query.integer(0)};
    entry.account = query.text(1);
    entry.sender = query.text(2);
    entry.accepted_at = time_of(query.integer(3));
    entry.size = static_cast<std::uint64_t>(query.integer(4));
    entry.not_before = std::max(entry.accepted_at, time_of(query.integer(5)));
    entry.account_held = query.integer(6) != 0;
    if (const std::string key = query.text(7); key.size() > 1) {
      const Result<net::IpAddress> client = net::IpAddress::from_octets(std::string_view(key).substr(1));
      if (client) entry.client = client->text();
    }
    entry.novelty = static_cast<std::uint32_t>(query.integer(8));
    listed.push_back(std::move(entry));
  }
  POSTERN_TRY(store::Statement recipients,
              database_.prepare("SELECT address,state,attempts,next_attempt,status,text FROM recipients "
                                "WHERE message=? ORDER BY number"));
  for (Listed& entry : listed) {
    recipients.bind(entry.id.value);
    for (;;) {
      POSTERN_TRY(const bool row, recipients.step());
      if (!row) break;
      auto state = static_cast<RecipientState>(std::clamp<std::int64_t>(recipients.integer(1), 0, 2));
      if (entry.account_held && state == RecipientState::Waiting) state = RecipientState::Held;
      entry.recipients.push_back({recipients.text(0), state,
                                  static_cast<std::uint32_t>(recipients.integer(2)),
                                  time_of(recipients.integer(3)), recipients.text(4), recipients.text(5)});
    }
  }
  return listed;
}

Result<QueueReader::Oldest> QueueReader::oldest(bool again) {
  if (again) none_waits_before_ = 0;
  Oldest oldest;
  // Ids sort by time, so that the smallest is the oldest.
  POSTERN_TRY(store::Statement waiting,
              database_.prepare("SELECT message,accepted_at FROM recipients NOT INDEXED JOIN messages ON "
                                "id=message WHERE state=0 AND message>=? ORDER BY message LIMIT 1"));
  POSTERN_TRY(const bool waits, waiting.bind(none_waits_before_).step());
  if (waits) {
    none_waits_before_ = waiting.integer(0);
    oldest.waiting = time_of(waiting.integer(1));
  }
  POSTERN_TRY(store::Statement held,
              database_.prepare("SELECT accepted_at FROM messages WHERE id=(SELECT min(message) FROM "
                                "recipients WHERE state=1)"));
  POSTERN_TRY(const bool holds, held.step());
  if (holds) oldest.held = time_of(held.integer(0));
  return oldest;
}

Result<std::vector<AccountHold>> QueueReader::held_accounts() {
  POSTERN_TRY(
      store::Statement query,
      database_.prepare("SELECT account,name,since,reason FROM account_holds ORDER BY since,account"));
  std::vector<AccountHold> holds;
  for (;;) {
    POSTERN_TRY(const bool row, query.step());
    if (!row) return holds;
    holds.push_back({AccountId{query.integer(0)}, query.text(1), time_of(query.integer(2)), query.text(3)});
  }
}

}  // namespace postern::queue
