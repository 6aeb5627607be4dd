#include "queue/history.h"

#include "base/log.h"
#include "store/set_aside.h"
#include "store/sqlite.h"

#include <algorithm>
#include <utility>

namespace postern::queue {
namespace {

const std::vector<std::string> kSchema{
    "CREATE TABLE events(n INTEGER PRIMARY KEY, time INTEGER NOT NULL, id INTEGER NOT NULL, kind, account, "
    "sender, recipient, detail);"
    "CREATE INDEX events_id ON events(id);"
    "CREATE INDEX events_recipient ON events(recipient);"
    "CREATE INDEX events_account ON events(account);"
    "CREATE INDEX events_sender ON events(sender);",
    // Addresses are looked for letter case aside.
    "DROP INDEX events_recipient; DROP INDEX events_account; DROP INDEX events_sender;"
    "CREATE INDEX events_recipient ON events(lower(recipient));"
    "CREATE INDEX events_account ON events(lower(account));"
    "CREATE INDEX events_sender ON events(lower(sender));"};
constexpr auto kBatchPause = std::chrono::milliseconds{50};
/// Old events go a few at a time, so that new ones need not wait for long.
constexpr std::int64_t kForgottenAtOnce = 1000;
constexpr auto kForgetPause = std::chrono::minutes{10};

}  // namespace

struct History::Store {
  store::Database writer;
  store::Statement insert;
  store::Statement forget;
  std::mutex reader_mutex;
  store::Database reader;
};

History::History(std::unique_ptr<Store> store) : store_(std::move(store)), thread_([this] { work(); }) {}

History::~History() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

Result<std::unique_ptr<History>> History::open(const std::string& path) {
  return store::open_or_begin_again(path, "what became of mail until now is not known to trace any more",
                                    open_file);
}

Result<std::unique_ptr<History>> History::open_file(const std::string& path) {
  POSTERN_TRY(store::Database writer, store::Database::open(path, store::Database::Sync::Normal));
  POSTERN_CHECK(writer.migrate(kSchema));
  POSTERN_TRY(store::Statement insert,
              writer.prepare(
                  "INSERT INTO events(time,id,kind,account,sender,recipient,detail) VALUES(?,?,?,?,?,?,?)"));
  // They are numbered as they came, which is nearly the order of their times.
  POSTERN_TRY(
      store::Statement forget,
      writer.prepare(
          "DELETE FROM events WHERE n<=(SELECT max(n) FROM (SELECT n,time FROM events ORDER BY n LIMIT ?2) "
          "WHERE time<?1)"));
  POSTERN_TRY(store::Database reader, store::Database::open(path, store::Database::Sync::Normal));
  return std::unique_ptr<History>(new History(std::unique_ptr<Store>(
      new Store{std::move(writer), std::move(insert), std::move(forget), {}, std::move(reader)})));
}

void History::record(HistoryEvent event) {
  {
    const std::lock_guard lock(mutex_);
    if (pending_.size() >= kMaxPending) {
      ++dropped_;
      return;
    }
    pending_.push_back(std::move(event));
    ++recorded_;
    if (pending_.size() > 1) return;
  }
  wake_.notify_one();
}

std::uint64_t History::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

void History::flush() {
  std::unique_lock lock(mutex_);
  // What comes meanwhile is not waited for: on a busy server that would be for ever.
  idle_.wait(lock, [this, upto = recorded_] { return written_ >= upto; });
}

void History::keep(std::chrono::milliseconds time) {
  const std::lock_guard lock(mutex_);
  kept_ = time;
  forget_at_ = SteadyTime::min();
  wake_.notify_one();
}

/// Removes some of what is older than wanted. True: there may be more.
bool History::forget_some(TimePoint before) {
  const auto removed = [&]() -> Result<std::int64_t> {
    POSTERN_TRY(store::Transaction transaction, store::Transaction::begin(store_->writer));
    POSTERN_CHECK(
        store_->forget.bind(std::int64_t{before.time_since_epoch().count()}, kForgottenAtOnce).run());
    const std::int64_t count = store_->writer.changes();
    POSTERN_CHECK(transaction.commit());
    return count;
  };
  const Result<std::int64_t> count = removed();
  if (!count) log::Event(log::Level::Error, "history.forget_failed").with("why", count.error().detail);
  return count && *count > 0;
}

void History::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto something = [this] { return stopping_ || !pending_.empty(); };
    if (kept_.count() == 0) {
      wake_.wait(lock, [&] { return something() || kept_.count() > 0; });
    } else {
      wake_.wait_until(lock, forget_at_, [&] { return something() || forget_at_ == SteadyTime::min(); });
    }
    const SteadyTime now = std::chrono::steady_clock::now();
    if (!stopping_ && kept_.count() > 0 && now >= forget_at_) {
      const TimePoint before = SystemClock().now() - kept_;
      lock.unlock();
      const bool more = forget_some(before);
      lock.lock();
      forget_at_ =
          now + (more ? std::chrono::duration_cast<SteadyTime::duration>(kBatchPause) : kForgetPause);
    }
    if (pending_.empty() && stopping_) return;
    if (pending_.empty()) continue;
    const std::deque<HistoryEvent> batch = std::exchange(pending_, {});
    lock.unlock();
    const auto write = [&]() -> Result<> {
      POSTERN_TRY(store::Transaction transaction, store::Transaction::begin(store_->writer));
      for (const HistoryEvent& e : batch) {
        POSTERN_CHECK(store_->insert
                          .bind(std::int64_t{e.time.time_since_epoch().count()}, e.id.value,
                                std::string_view(e.kind), std::string_view(e.account),
                                std::string_view(e.sender), std::string_view(e.recipient),
                                std::string_view(e.detail))
                          .run());
      }
      return transaction.commit();
    };
    const Result<> written = write();
    if (!written) log::Event(log::Level::Error, "history.write_failed").with("why", written.error().detail);
    lock.lock();
    written_ += batch.size();
    if (!written) dropped_ += batch.size();
    idle_.notify_all();
    // A pause lets a burst share one transaction.
    if (!stopping_) wake_.wait_for(lock, kBatchPause, [this] { return stopping_; });
  }
}

namespace {
Result<std::vector<HistoryEvent>> read_all(store::Statement& query) {
  std::vector<HistoryEvent> events;
  for (;;) {
    POSTERN_TRY(const bool row, query.step());
    if (!row) return events;
    events.push_back({TimePoint{std::chrono::milliseconds{query.integer(0)}}, QueueId{query.integer(1)},
                      query.text(2), query.text(3), query.text(4), query.text(5), query.text(6)});
  }
}
}  // namespace

Result<std::vector<HistoryEvent>> History::of_message(QueueId id) {
  flush();
  const std::lock_guard lock(store_->reader_mutex);
  POSTERN_TRY(store::Statement query,
              store_->reader.prepare("SELECT time,id,kind,account,sender,recipient,detail FROM events "
                                     "WHERE id=? ORDER BY time, kind<>'accepted', n"));
  query.bind(id.value);
  return read_all(query);
}

Result<std::vector<HistoryEvent>> History::of_address(const std::string& address, std::size_t limit) {
  flush();
  const std::lock_guard lock(store_->reader_mutex);
  POSTERN_TRY(store::Statement query,
              store_->reader.prepare(
                  "SELECT time,id,kind,account,sender,recipient,detail FROM events WHERE n IN ("
                  "SELECT n FROM events WHERE lower(account)=lower(?1) UNION SELECT n FROM events WHERE "
                  "lower(sender)=lower(?1) UNION SELECT n FROM events WHERE lower(recipient)=lower(?1) ORDER "
                  "BY 1 DESC "
                  "LIMIT ?2) ORDER BY time, kind<>'accepted', n"));
  query.bind(std::string_view(address), static_cast<std::int64_t>(limit));
  return read_all(query);
}

}  // namespace postern::queue
