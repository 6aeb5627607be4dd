#include "tlspolicy/session_log.h"

#include "base/log.h"
#include "store/set_aside.h"

#include <boost/json.hpp>

#include <exception>
#include <utility>

namespace postern::tlspolicy {
namespace {

namespace json = boost::json;

// A kind of session is a JSON text: it is the key in memory and on disk, and what a report is made of.
const std::vector<std::string> kSchema{
    "CREATE TABLE sessions(day INTEGER NOT NULL, domain TEXT NOT NULL, kind TEXT NOT NULL, count INTEGER NOT "
    "NULL, "
    "PRIMARY KEY(day, domain, kind)) WITHOUT ROWID;"
    "CREATE TABLE attempts(day INTEGER NOT NULL, domain TEXT NOT NULL, attempts INTEGER NOT NULL, next_try "
    "INTEGER "
    "NOT NULL, PRIMARY KEY(day, domain)) WITHOUT ROWID;",
    "CREATE TABLE past(day INTEGER NOT NULL, domain TEXT NOT NULL, ended INTEGER NOT NULL, sent INTEGER NOT "
    "NULL, "
    "detail TEXT NOT NULL, PRIMARY KEY(day, domain)) WITHOUT ROWID;"};

std::int64_t stored(Day day) { return day.time_since_epoch().count(); }
std::int64_t stored(TimePoint time) { return time.time_since_epoch().count(); }
TimePoint loaded_time(std::int64_t time) { return TimePoint{std::chrono::milliseconds{time}}; }
Day loaded_day(std::int64_t days) { return Day{std::chrono::days{days}}; }

std::string key_of(const SessionResult& session) {
  json::array lines(session.policy.lines.begin(), session.policy.lines.end());
  json::array hosts(session.policy.mx_hosts.begin(), session.policy.mx_hosts.end());
  return json::serialize(json::array{stored(day_of(session.time)), session.policy.domain, session.policy.type,
                                     std::move(lines), std::move(hosts), static_cast<int>(session.result),
                                     session.mx_host, session.mx_ip, session.sending_ip, session.reason});
}

std::vector<std::string> strings_of(const json::value& array) {
  std::vector<std::string> out;
  for (const json::value& each : array.as_array()) out.emplace_back(each.as_string());
  return out;
}

/// Error: Corrupt.
Result<SessionResult> session_of(const std::string& key) try {
  const json::array fields = json::parse(key).as_array();
  const auto text = [&fields](std::size_t at) { return std::string(fields.at(at).as_string()); };
  SessionResult session;
  session.time = loaded_day(fields.at(0).as_int64());
  session.policy = {text(2), strings_of(fields.at(3)), text(1), strings_of(fields.at(4))};
  session.result = static_cast<TlsResult>(fields.at(5).as_int64());
  session.mx_host = text(6);
  session.mx_ip = text(7);
  session.sending_ip = text(8);
  session.reason = text(9);
  return session;
} catch (const std::exception& error) {
  return fail(Errc::Corrupt, std::string("a counted session: ") + error.what());
}

Result<std::vector<DueReport>> read_all(store::Statement& select) {
  std::vector<DueReport> out;
  for (;;) {
    POSTERN_TRY(const bool row, select.step());
    if (!row) return out;
    out.push_back({loaded_day(select.integer(0)), select.text(1), static_cast<unsigned>(select.integer(2))});
  }
}

constexpr const char* kReports =
    "SELECT DISTINCT s.day, s.domain, coalesce(a.attempts, 0) FROM sessions s LEFT JOIN attempts a ON "
    "a.day=s.day "
    "AND a.domain=s.domain ";

}  // namespace

const char* to_string(TlsResult result) {
  switch (result) {
    case TlsResult::Success:
      return "success";
    case TlsResult::StartTlsNotSupported:
      return "starttls-not-supported";
    case TlsResult::CertificateHostMismatch:
      return "certificate-host-mismatch";
    case TlsResult::CertificateExpired:
      return "certificate-expired";
    case TlsResult::CertificateNotTrusted:
      return "certificate-not-trusted";
    case TlsResult::ValidationFailure:
      return "validation-failure";
    case TlsResult::TlsaInvalid:
      return "tlsa-invalid";
    case TlsResult::DnssecInvalid:
      return "dnssec-invalid";
    case TlsResult::DaneRequired:
      return "dane-required";
    case TlsResult::StsPolicyFetchError:
      return "sts-policy-fetch-error";
    case TlsResult::StsPolicyInvalid:
      return "sts-policy-invalid";
    case TlsResult::StsWebPkiInvalid:
      return "sts-webpki-invalid";
  }
  return "";
}

Result<std::unique_ptr<SessionLog>> SessionLog::open(const std::string& path) {
  return store::open_or_begin_again(path, "TLS reports leave out the sessions of today and yesterday",
                                    open_file);
}

Result<std::unique_ptr<SessionLog>> SessionLog::open_file(const std::string& path) {
  POSTERN_TRY(store::Database database, store::Database::open(path, store::Database::Sync::Normal));
  POSTERN_CHECK(database.migrate(kSchema));
  return std::unique_ptr<SessionLog>(new SessionLog(std::move(database)));
}

void SessionLog::record(SessionResult session) {
  if (session.result == TlsResult::Success) {  // only their number is reported
    session.mx_host.clear();
    session.mx_ip.clear();
    session.sending_ip.clear();
    session.reason.clear();
  }
  std::string key = key_of(session);
  const std::lock_guard lock(mutex_);
  const auto known = pending_.find(key);
  if (known != pending_.end()) {
    ++known->second;
  } else if (pending_.size() < kMaxPending) {
    pending_.emplace(std::move(key), 1);
  } else {
    ++dropped_;
  }
}

Result<> SessionLog::flush() {
  std::map<std::string, std::uint64_t> taken;
  std::uint64_t dropped = 0;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(pending_);
    dropped = std::exchange(dropped_, 0);
  }
  if (dropped > 0) log::Event(log::Level::Warning, "tls.sessions_not_counted").with("sessions", dropped);
  if (taken.empty()) return {};
  const auto write = [this, &taken]() -> Result<> {
    POSTERN_TRY(store::Transaction transaction, store::Transaction::begin(database_));
    for (const auto& [key, count] : taken) POSTERN_CHECK(add(key, count));
    return transaction.commit();
  };
  const std::lock_guard disk(disk_);
  Result<> written = write();
  if (written) return written;
  const std::lock_guard lock(mutex_);  // for the next time
  for (auto& [key, count] : taken) {
    if (pending_.size() < kMaxPending || pending_.contains(key)) pending_[key] += count;
  }
  return written;
}

Result<> SessionLog::add(const std::string& key, std::uint64_t count) {
  POSTERN_TRY(const SessionResult session, session_of(key));
  const std::int64_t day = stored(day_of(session.time));
  POSTERN_TRY(store::Statement update,
              database_.prepare("UPDATE sessions SET count=count+? WHERE day=? AND domain=? AND kind=?"));
  POSTERN_CHECK(update.bind(static_cast<std::int64_t>(count), day, session.policy.domain, key).run());
  if (database_.changes() > 0) return {};
  POSTERN_TRY(store::Statement insert,
              database_.prepare(
                  "INSERT INTO sessions(day, domain, kind, count) SELECT ?,?,?,? WHERE (SELECT count(*) "
                  "FROM sessions WHERE day=? AND domain=?) < ?"));
  return insert
      .bind(day, session.policy.domain, key, static_cast<std::int64_t>(count), day, session.policy.domain,
            kMaxKinds)
      .run();
}

Result<std::vector<DueReport>> SessionLog::due(Day today, TimePoint now, std::size_t most) {
  const std::lock_guard disk(disk_);
  POSTERN_TRY(
      store::Statement select,
      database_.prepare(std::string(kReports) +
                        "WHERE s.day<? AND coalesce(a.next_try, 0)<=? ORDER BY s.day, s.domain LIMIT ?"));
  select.bind(stored(today), stored(now), static_cast<std::int64_t>(most));
  return read_all(select);
}

Result<std::vector<PendingReport>> SessionLog::pending(std::size_t most) {
  const std::lock_guard disk(disk_);
  // A kind's sixth field is its result, 0 for success (see key_of()).
  POSTERN_TRY(store::Statement select,
              database_.prepare(
                  "SELECT s.day, s.domain, coalesce(a.attempts, 0), coalesce(a.next_try, 0), sum(s.count), "
                  "sum(CASE WHEN json_extract(CAST(s.kind AS TEXT), '$[5]')=0 THEN 0 ELSE s.count END) FROM "
                  "sessions s "
                  "LEFT JOIN attempts a ON a.day=s.day AND a.domain=s.domain GROUP BY s.day, s.domain "
                  "ORDER BY s.day, s.domain LIMIT ?"));
  select.bind(static_cast<std::int64_t>(most));
  std::vector<PendingReport> out;
  for (;;) {
    POSTERN_TRY(const bool row, select.step());
    if (!row) return out;
    PendingReport pending{
        {loaded_day(select.integer(0)), select.text(1), static_cast<unsigned>(select.integer(2))}};
    if (select.integer(3) != 0) pending.next_try = loaded_time(select.integer(3));
    pending.sessions = static_cast<std::uint64_t>(select.integer(4));
    pending.failures = static_cast<std::uint64_t>(select.integer(5));
    out.push_back(std::move(pending));
  }
}

Result<std::vector<PastReport>> SessionLog::past(std::size_t most) {
  const std::lock_guard disk(disk_);
  POSTERN_TRY(store::Statement select,
              database_.prepare(
                  "SELECT day, domain, ended, sent, detail FROM past ORDER BY ended DESC, domain LIMIT ?"));
  select.bind(static_cast<std::int64_t>(most));
  std::vector<PastReport> out;
  for (;;) {
    POSTERN_TRY(const bool row, select.step());
    if (!row) return out;
    out.push_back({loaded_day(select.integer(0)), select.text(1), loaded_time(select.integer(2)),
                   select.integer(3) != 0, select.text(4)});
  }
}

Result<std::vector<SessionCount>> SessionLog::sessions(Day day, const std::string& domain) {
  const std::lock_guard disk(disk_);
  POSTERN_TRY(store::Statement select,
              database_.prepare("SELECT kind, count FROM sessions WHERE day=? AND domain=? ORDER BY kind"));
  select.bind(stored(day), domain);
  std::vector<SessionCount> out;
  for (;;) {
    POSTERN_TRY(const bool row, select.step());
    if (!row) return out;
    POSTERN_TRY(SessionResult session, session_of(select.text(0)));
    out.push_back({std::move(session), static_cast<std::uint64_t>(select.integer(1))});
  }
}

Result<> SessionLog::done(Day day, const std::string& domain) {
  const std::lock_guard disk(disk_);
  POSTERN_TRY(store::Transaction transaction, store::Transaction::begin(database_));
  POSTERN_CHECK(forget(day, domain));
  return transaction.commit();
}

Result<> SessionLog::done(const PastReport& report) {
  const std::lock_guard disk(disk_);
  POSTERN_TRY(store::Transaction transaction, store::Transaction::begin(database_));
  POSTERN_CHECK(forget(report.day, report.domain));
  POSTERN_TRY(
      store::Statement insert,
      database_.prepare("INSERT OR REPLACE INTO past(day, domain, ended, sent, detail) VALUES(?,?,?,?,?)"));
  POSTERN_CHECK(
      insert.bind(stored(report.day), report.domain, stored(report.ended), report.sent ? 1 : 0, report.detail)
          .run());
  POSTERN_TRY(store::Statement old, database_.prepare("DELETE FROM past WHERE ended<?"));
  POSTERN_CHECK(old.bind(stored(report.ended - kPastDays)).run());
  return transaction.commit();
}

Result<> SessionLog::forget(Day day, const std::string& domain) {
  for (const char* table : {"sessions", "attempts"}) {
    POSTERN_TRY(store::Statement remove,
                database_.prepare(std::string("DELETE FROM ") + table + " WHERE day=? AND domain=?"));
    POSTERN_CHECK(remove.bind(stored(day), domain).run());
  }
  return {};
}

Result<> SessionLog::failed(Day day, const std::string& domain, TimePoint next_try) {
  const std::lock_guard disk(disk_);
  POSTERN_TRY(store::Statement insert,
              database_.prepare(
                  "INSERT INTO attempts(day, domain, attempts, next_try) VALUES(?,?,1,?) ON CONFLICT(day, "
                  "domain) DO UPDATE SET attempts=attempts+1, next_try=excluded.next_try"));
  return insert.bind(stored(day), domain, stored(next_try)).run();
}

}  // namespace postern::tlspolicy
