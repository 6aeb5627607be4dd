#include "queue/queue_reader.h"

#include "queue/queue_tables.h"

#include <algorithm>
#include <unordered_set>

namespace postern::queue {
namespace {
TimePoint time_of(std::int64_t millis) { return TimePoint{std::chrono::milliseconds{millis}}; }
std::int64_t millis(TimePoint when) { return when.time_since_epoch().count(); }

constexpr std::string_view kMatching =
    " WHERE (?1=0 OR id=?1) AND (?2=x'' OR account_name=?2) AND (?3=x'' OR reverse_path=?3) AND "
    "(?4=x'' OR id IN (SELECT message FROM recipients WHERE address=?4)) ORDER BY id LIMIT ?5";

void bind_filter(store::Statement& query, const Filter& filter) {
  query.bind(filter.id ? filter.id->value : 0, std::string_view(filter.account),
             std::string_view(filter.sender), std::string_view(filter.recipient),
             static_cast<std::int64_t>(std::min<std::size_t>(filter.limit, INT64_MAX)));
}
}  // namespace

Result<QueueReader> QueueReader::open(const std::string& path, const char* vfs) {
  POSTERN_TRY(store::Database database, store::Database::open(path, store::Database::Sync::Full, vfs));
  return QueueReader(std::move(database));
}

Result<std::vector<Lease>> QueueReader::due(TimePoint now, std::size_t max,
                                            const std::function<bool(QueueId)>& take,
                                            std::vector<QueueId>& set_aside) {
  POSTERN_TRY(store::Statement query,
              database_.prepare(
                  "SELECT message FROM recipients WHERE state=0 AND next_attempt<=? ORDER BY next_attempt"));
  query.bind(millis(now));
  std::vector<QueueId> ids;
  std::unordered_set<std::int64_t> seen;
  while (ids.size() < max) {
    POSTERN_TRY(const bool row, query.step());
    if (!row) break;
    const QueueId id{query.integer(0)};
    if (seen.insert(id.value).second && take(id)) ids.push_back(id);
  }
  query.reset();
  std::vector<Lease> leases;
  for (const QueueId id : ids) {
    Result<Lease> lease = load(id, now);
    if (lease) {
      leases.push_back(*std::move(lease));
    } else {
      set_aside.push_back(id);
    }
  }
  return leases;
}

Result<Lease> QueueReader::load(QueueId id, TimePoint now) {
  POSTERN_TRY(
      store::Statement query,
      database_.prepare(
          "SELECT account,account_name,session,reverse_path,ret,envid,smtputf8,eight_bit,signing_domain,"
          "signature,accepted_at,size,handling,binary FROM messages WHERE id=?"));
  POSTERN_TRY(const bool found, query.bind(id.value).step());
  if (!found) return fail(Errc::Corrupt, "recipients without a message");
  Lease lease;
  lease.id = id;
  lease.account = AccountId{query.integer(0)};
  lease.account_name = query.text(1);
  lease.session = SessionId{query.integer(2)};
  lease.envelope.reverse_path = query.text(3);
  const std::int64_t ret = query.integer(4);
  if (ret < 0 || ret > static_cast<std::int64_t>(smtp::Ret::Headers))
    return fail(Errc::Corrupt, "unknown RET");
  lease.envelope.params.ret = static_cast<smtp::Ret>(ret);
  lease.envelope.params.envid = query.text(5);
  lease.smtputf8 = query.integer(6) != 0;
  lease.eight_bit = query.integer(7) != 0;
  lease.envelope.params.smtputf8 = lease.smtputf8;
  lease.signing_domain = query.text(8);
  lease.signature = query.text(9);
  lease.accepted_at = time_of(query.integer(10));
  lease.size = static_cast<std::uint64_t>(query.integer(11));
  POSTERN_TRY(lease.envelope.params.handling, smtp::parse_handling(query.text(12)));
  lease.binary = query.integer(13) != 0;
  query.reset();

  POSTERN_TRY(
      store::Statement recipients,
      database_.prepare("SELECT number,address,domain,notify,orcpt,attempts,delay_reported FROM recipients "
                        "WHERE message=? AND state=0 AND next_attempt<=? ORDER BY number"));
  recipients.bind(id.value, millis(now));
  for (;;) {
    POSTERN_TRY(const bool row, recipients.step());
    if (!row) break;
    smtp::Recipient r{recipients.text(1),
                      recipients.text(2),
                      {static_cast<std::uint8_t>(recipients.integer(3))},
                      recipients.text(4)};
    lease.index.push_back(static_cast<std::uint32_t>(recipients.integer(0)));
    lease.attempts.push_back(static_cast<std::uint32_t>(recipients.integer(5)));
    lease.delay_reported.push_back(recipients.integer(6) != 0);
    lease.envelope.recipients.push_back(std::move(r));
  }
  return lease;
}

Result<std::string> QueueReader::piece(QueueId id, std::uint32_t number) {
  POSTERN_TRY(store::Statement message, database_.prepare("SELECT pieces FROM messages WHERE id=?"));
  POSTERN_TRY(const bool found, message.bind(id.value).step());
  if (!found) return fail(Errc::NotFound, "no such message");
  const auto pieces = static_cast<std::uint32_t>(message.integer(0));
  message.reset();
  if (number > pieces) return std::string();
  POSTERN_TRY(
      store::Statement query,
      database_.prepare(number == pieces ? "SELECT tail FROM messages WHERE id=?1 AND ?2>=0"
                                         : "SELECT content FROM pieces WHERE message=?1 AND number=?2"));
  POSTERN_TRY(const bool row, query.bind(id.value, std::int64_t{number}).step());
  if (!row) return fail(Errc::Corrupt, "a piece of the message is missing");
  return query.text(0);
}

Result<std::vector<QueueId>> QueueReader::matching(const Filter& filter) {
  POSTERN_TRY(store::Statement query, database_.prepare("SELECT id FROM messages" + std::string(kMatching)));
  bind_filter(query, filter);
  std::vector<QueueId> ids;
  for (;;) {
    POSTERN_TRY(const bool row, query.step());
    if (!row) return ids;
    ids.push_back(QueueId{query.integer(0)});
  }
}

Result<std::vector<Listed>> QueueReader::list(const Filter& filter) {
  POSTERN_TRY(
      store::Statement query,
      database_.prepare("SELECT id,account_name,reverse_path,accepted_at,size,not_before FROM messages" +
                        std::string(kMatching)));
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
      entry.recipients.push_back(
          {recipients.text(0),
           static_cast<RecipientState>(std::clamp<std::int64_t>(recipients.integer(1), 0, 2)),
           static_cast<std::uint32_t>(recipients.integer(2)), time_of(recipients.integer(3)),
           recipients.text(4), recipients.text(5)});
    }
  }
  return listed;
}

}  // namespace postern::queue
