#include "queue/sqlite_queue.h"

#include "base/log.h"
#include "queue/fail_points.h"
#include "queue/queue_reader.h"
#include "queue/queue_tables.h"

#include <algorithm>
#include <utility>

namespace postern::queue {
namespace {
/// Messages that an operator's verb changes in one transaction, so that clients need not wait long.
constexpr std::size_t kOperateBatch = 500;
}  // namespace

struct SqliteQueue::Files {
  store::Database database;
  QueueTables tables;
  QueueReader reader;  // used on the reader thread only
};

/// One thing for the writer to do inside a group's transaction.
struct SqliteQueue::Request {
  bool urgent = true;
  std::function<Result<>(QueueTables&)> apply;
  std::function<void(Result<>)> done;
  std::optional<FreshMessage> fresh;  // handed on when the commit is durable
  const char* before = "before_commit";
  const char* after = "after_commit";
};

class SqliteQueue::SqliteDraft final : public Queue::Draft {
 public:
  SqliteDraft(SqliteQueue& queue, net::Loop& loop, QueueId id) : queue_(queue), loop_(loop), id_(id) {
    const std::lock_guard lock(queue_.mutex_);
    ++queue_.open_drafts_;
  }
  ~SqliteDraft() override {
    {
      const std::lock_guard lock(queue_.mutex_);
      --queue_.open_drafts_;
    }
    if (committed_ || pieces_ == 0) return;
    auto request = std::make_unique<Request>();
    request->urgent = false;
    request->apply = [id = id_](QueueTables& tables) { return tables.discard_pieces(id); };
    request->done = [](const Result<>&) {};  // what cannot be removed now is swept at the next start
    queue_.submit(std::move(request));
  }
  SqliteDraft(const SqliteDraft&) = delete;
  SqliteDraft& operator=(const SqliteDraft&) = delete;

  net::Task<Result<>> append(std::string_view content) override {
    size_ += content.size();
    while (!content.empty()) {
      const std::size_t room = std::min(kPiece - tail_.size(), content.size());
      tail_.append(content, 0, room);
      content.remove_prefix(room);
      if (tail_.size() < kPiece || content.empty()) continue;
      POSTERN_CO_CHECK(co_await put_aside());
    }
    co_return Result<>{};
  }

  net::Task<Result<Receipt>> commit(NewMessage message) override {
    auto request = std::make_unique<Request>();
    std::optional<FreshMessage> fresh;
    if (message.not_before() == message.accepted_at) {
      fresh.emplace(FreshMessage{lease_of(message), std::nullopt});
      // The lease is taken before the commit, so that nobody finds the message in between.
      queue_.try_lease(id_);
    }
    auto shared = std::make_shared<std::pair<NewMessage, std::string>>(std::move(message), std::move(tail_));
    if (fresh && pieces_ == 0) fresh->content = shared->second;
    request->fresh = std::move(fresh);
    request->apply = [shared, size = size_, pieces = pieces_](QueueTables& tables) {
      return tables.insert_message(shared->first, size, pieces, shared->second);
    };
    net::Completion<Result<>> done(loop_);
    request->done = done.resolver();
    committed_ = true;  // even if it fails: pieces without a message are swept
    queue_.submit(std::move(request));
    const Result<> durable = co_await done;
    if (!durable) co_return durable.error();
    co_return queue_.make_receipt(id_);
  }

 private:
  net::Task<Result<>> put_aside() {
    auto request = std::make_unique<Request>();
    auto content = std::make_shared<std::string>(std::exchange(tail_, {}));
    request->apply = [id = id_, number = pieces_, content](QueueTables& tables) {
      return tables.insert_piece(id, number, *content);
    };
    net::Completion<Result<>> done(loop_);
    request->done = done.resolver();
    ++pieces_;
    queue_.submit(std::move(request));
    const Result<> stored = co_await done;
    co_return stored;
  }

  Lease lease_of(const NewMessage& m) const {
    Lease lease;
    lease.id = m.id;
    lease.account = m.account;
    lease.account_name = m.account_name;
    lease.session = m.session;
    lease.envelope = m.envelope;
    for (std::uint32_t i = 0; i < m.envelope.recipients.size(); ++i) {
      lease.index.push_back(i);
      lease.attempts.push_back(0);
      lease.delay_reported.push_back(false);
    }
    lease.signing_domain = m.signing_domain;
    lease.accepted_at = m.accepted_at;
    lease.size = size_;
    lease.eight_bit = m.eight_bit;
    lease.smtputf8 = m.smtputf8;
    lease.binary = m.binary;
    return lease;
  }

  SqliteQueue& queue_;
  net::Loop& loop_;
  const QueueId id_;
  std::string tail_;
  std::uint64_t size_ = 0;
  std::uint32_t pieces_ = 0;
  bool committed_ = false;
};

Result<std::unique_ptr<SqliteQueue>> SqliteQueue::open(const std::string& path, const Options& options,
                                                       const Clock& clock, const char* vfs) {
  POSTERN_TRY(store::Database database, store::Database::open(path, store::Database::Sync::Full, vfs));
  POSTERN_CHECK(database.migrate(queue_schema()));
  POSTERN_TRY(QueueTables tables, QueueTables::prepare(database));
  POSTERN_CHECK(tables.sweep());
  POSTERN_TRY(QueueReader reader, QueueReader::open(path, vfs));
  auto files = std::unique_ptr<Files>(new Files{std::move(database), std::move(tables), std::move(reader)});
  return std::unique_ptr<SqliteQueue>(new SqliteQueue(std::move(files), options, clock));
}

SqliteQueue::SqliteQueue(std::unique_ptr<Files> files, const Options& options, const Clock& clock)
    : files_(std::move(files)), options_(options), clock_(clock), writer_([this] { write_groups(); }) {}

SqliteQueue::~SqliteQueue() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  writer_.join();
}

std::unique_ptr<Queue::Draft> SqliteQueue::begin(net::Loop& loop, QueueId id) {
  return std::make_unique<SqliteDraft>(*this, loop, id);
}

void SqliteQueue::set_on_accepted(std::function<void(FreshMessage)> taker) {
  const std::lock_guard lock(mutex_);
  taker_ = std::move(taker);
}

void SqliteQueue::submit(std::unique_ptr<Request> request) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (request->urgent) ++urgent_;
    requests_.push_back(std::move(request));
    wake = writer_waits_ && enough();
    if (wake) writer_waits_ = false;
  }
  if (wake) wake_.notify_one();
}

bool SqliteQueue::enough() const {
  switch (waits_for_) {
    case WaitsFor::Anything:
      return !requests_.empty();
    case WaitsFor::Urgent:
      return urgent_ > 0;
    case WaitsFor::Company:
      return urgent_ >= open_drafts_ && urgent_ >= last_group_;
  }
  return true;
}

bool SqliteQueue::wait_for(std::unique_lock<std::mutex>& lock, WaitsFor what, SteadyTime until) {
  waits_for_ = what;
  while (!stopping_ && !enough()) {
    // Who submits wakes us only when it is worth it: each wake-up costs as much as storing a message.
    writer_waits_ = true;
    const bool late = wake_.wait_until(lock, until) == std::cv_status::timeout;
    writer_waits_ = false;
    if (late) break;
  }
  return enough();
}

void SqliteQueue::wait_for_company(std::unique_lock<std::mutex>& lock) {
  const SteadyTime now = std::chrono::steady_clock::now();
  // Nobody waits for a settle: let it ride with the next commit, but not for ever.
  if (urgent_ == 0 && !wait_for(lock, WaitsFor::Urgent, now + options_.max_settle_delay)) return;
  // Those who shared the last sync tend to come again together; a sender that is alone waits for nobody.
  wait_for(lock, WaitsFor::Company, std::chrono::steady_clock::now() + options_.max_commit_delay);
}

void SqliteQueue::write_groups() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (failure_.empty()) {
      wait_for(lock, WaitsFor::Anything, SteadyTime::max());
    } else {
      wait_for(lock, WaitsFor::Anything, std::chrono::steady_clock::now() + options_.probe_interval);
    }
    if (requests_.empty()) {
      if (stopping_) return;
      lock.unlock();
      probe();
      lock.lock();
      continue;
    }
    if (!stopping_ && failure_.empty()) wait_for_company(lock);
    std::deque<std::unique_ptr<Request>> group = std::exchange(requests_, {});
    last_group_ = std::exchange(urgent_, 0);
    lock.unlock();
    write_group(std::move(group));
    lock.lock();
  }
}

Result<> SqliteQueue::execute(const std::deque<std::unique_ptr<Request>>& group) {
  POSTERN_TRY(store::Transaction transaction, store::Transaction::begin(files_->database));
  for (const auto& request : group) POSTERN_CHECK(request->apply(files_->tables));
  for (const auto& request : group) fail_point(request->before);
  POSTERN_CHECK(transaction.commit());  // returns after the sync
  for (const auto& request : group) fail_point(request->after);
  return {};
}

void SqliteQueue::write_group(std::deque<std::unique_ptr<Request>> group) {
  const Result<> written = execute(group);
  std::function<void(FreshMessage)> taker;
  {
    const std::lock_guard lock(mutex_);
    taker = taker_;
    if (!written && failure_.empty()) {
      log::Event(log::Level::Error, "queue.store_failed").with("why", written.error().detail);
    } else if (written && !failure_.empty()) {
      log::Event(log::Level::Info, "queue.store_works_again");
    }
    failure_ = written ? "" : written.error().detail;
  }
  for (auto& request : group) {
    const bool taken = request->fresh && written && taker;
    // Before the sender learns of its Receipt: whoever asks then for what is due must find the message.
    if (request->fresh && !taken) end_lease(request->fresh->lease.id);
    request->done(written ? Result<>{} : Result<>(Error{Errc::Unavailable, written.error().detail}));
    if (taken) taker(*std::move(request->fresh));
  }
}

void SqliteQueue::probe() {
  // A write that changes nothing and still has to be synced tells whether the store works again.
  const auto attempt = [this]() -> Result<> {
    POSTERN_TRY(store::Transaction transaction, store::Transaction::begin(files_->database));
    POSTERN_CHECK(files_->database.execute("PRAGMA user_version=" + std::to_string(queue_schema().size())));
    return transaction.commit();
  };
  if (!attempt()) return;
  const std::lock_guard lock(mutex_);
  if (!failure_.empty()) log::Event(log::Level::Info, "queue.store_works_again");
  failure_.clear();
}

bool SqliteQueue::try_lease(QueueId id) {
  const std::lock_guard lock(lease_mutex_);
  return leased_.insert(id.value).second;
}

void SqliteQueue::end_lease(QueueId id) {
  bool removed = false;
  {
    const std::lock_guard lock(lease_mutex_);
    leased_.erase(id.value);
    const auto withdrawn = withdrawn_.find(id.value);
    if (withdrawn == withdrawn_.end()) return;
    removed = withdrawn->second == Operation::Remove;
    withdrawn_.erase(withdrawn);
  }
  if (!removed) return;
  auto request = std::make_unique<Request>();
  request->urgent = false;
  request->apply = [id](QueueTables& tables) { return tables.finish_removal(id); };
  request->done = [](const Result<>&) {};  // what cannot be removed now is swept at the next start
  submit(std::move(request));
}

bool SqliteQueue::withdrawn(QueueId id) const {
  const std::lock_guard lock(lease_mutex_);
  return withdrawn_.contains(id.value);
}

void SqliteQueue::release(const Lease& lease) { end_lease(lease.id); }

net::Task<Result<std::vector<Lease>>> SqliteQueue::lease_due(net::Loop& loop, TimePoint now,
                                                             std::size_t max) {
  auto job = [this, now, max] {
    std::vector<QueueId> damaged;
    Result<std::vector<Lease>> leases = files_->reader.due(
        now, max, [this](QueueId id) { return try_lease(id); }, damaged);
    // A damaged record stays leased, so nobody stumbles over it again while this process lives; it stays in
    // the file.
    for (const QueueId id : damaged)
      log::Event(log::Level::Error, "queue.record_set_aside").with("queue_id", id);
    return leases;
  };
  Result<Result<std::vector<Lease>>> found = co_await readers_.run(loop, std::move(job));
  if (!found) co_return found.error();
  co_return *std::move(found);
}

net::Task<Result<std::string>> SqliteQueue::read(net::Loop& loop, QueueId id, std::uint32_t piece) {
  auto job = [this, id, piece] { return files_->reader.piece(id, piece); };
  Result<Result<std::string>> content = co_await readers_.run(loop, std::move(job));
  if (!content) co_return content.error();
  co_return *std::move(content);
}

net::Task<Result<>> SqliteQueue::settle(net::Loop& loop, const Lease& lease,
                                        std::vector<RecipientOutcome> outcomes, std::string keep_signature) {
  auto request = std::make_unique<Request>();
  request->urgent = false;
  request->before = "before_settle_commit";
  request->after = "after_settle_commit";
  const QueueId id = lease.id;
  auto shared = std::make_shared<std::pair<std::vector<RecipientOutcome>, std::string>>(
      std::move(outcomes), std::move(keep_signature));
  request->apply = [id, shared](QueueTables& tables) {
    return tables.settle(id, shared->first, shared->second);
  };
  net::Completion<Result<>> done(loop);
  // The lease ends whatever came of it: what was not recorded is tried again.
  request->done = [this, id, resolve = done.resolver()](Result<> result) {
    end_lease(id);
    resolve(std::move(result));
  };
  submit(std::move(request));
  const Result<> settled = co_await done;
  co_return settled;
}

net::Task<Result<std::vector<Listed>>> SqliteQueue::list(net::Loop& loop, const Filter& filter) {
  // Named, not a temporary beside co_await: g++ 12 destroys its captures twice.
  auto job = [this, filter] { return files_->reader.list(filter); };
  Result<Result<std::vector<Listed>>> found = co_await readers_.run(loop, std::move(job));
  if (!found) co_return found.error();
  if (*found) {
    const std::lock_guard lock(lease_mutex_);
    for (Listed& entry : **found) entry.active = leased_.contains(entry.id.value);
  }
  co_return *std::move(found);
}

/// One batch of an operator's verb on its way through the writer.
struct SqliteQueue::Operating {
  std::vector<QueueId> ids;
  Operation operation;
  TimePoint now;
  std::vector<QueueId> taken;  // leased for the moment, so that no dispatcher finds them half changed
  Operated count;
};

Result<> SqliteQueue::operate_on(QueueTables& tables, QueueId id, Operating& operating) {
  ++operating.count.messages;
  const Operation operation = operating.operation;
  {
    const std::lock_guard lock(lease_mutex_);
    if (leased_.insert(id.value).second) {
      operating.taken.push_back(id);
    } else {
      ++operating.count.under_way;
      const auto before = withdrawn_.find(id.value);
      if (before != withdrawn_.end() && before->second == Operation::Remove) return {};
      if (operation == Operation::Retry) return {};
      if (operation == Operation::Release) withdrawn_.erase(id.value);
      if (operation == Operation::Hold || operation == Operation::Remove) withdrawn_[id.value] = operation;
      if (operation == Operation::Remove) return tables.mark_removed(id);
    }
  }
  return tables.operate(id, operation, operating.now);
}

net::Task<Result<>> SqliteQueue::operate_on_some(net::Loop& loop, std::shared_ptr<Operating> operating) {
  auto request = std::make_unique<Request>();
  request->apply = [this, operating](QueueTables& tables) -> Result<> {
    for (const QueueId id : operating->ids) POSTERN_CHECK(operate_on(tables, id, *operating));
    return {};
  };
  net::Completion<Result<>> done(loop);
  request->done = [this, operating, resolve = done.resolver()](Result<> result) {
    for (const QueueId id : operating->taken) end_lease(id);
    resolve(std::move(result));
  };
  submit(std::move(request));
  const Result<> applied = co_await done;
  co_return applied;
}

net::Task<Result<Operated>> SqliteQueue::operate(net::Loop& loop, const Filter& filter, Operation operation) {
  auto job = [this, filter] { return files_->reader.matching(filter); };
  const Result<Result<std::vector<QueueId>>> found = co_await readers_.run(loop, std::move(job));
  if (!found) co_return found.error();
  if (!*found) co_return (*found).error();
  const std::vector<QueueId>& all = **found;
  Operated count;
  for (std::size_t begin = 0; begin < all.size(); begin += kOperateBatch) {
    const std::size_t end = std::min(all.size(), begin + kOperateBatch);
    auto some = std::make_shared<Operating>();
    some->ids.assign(all.begin() + static_cast<std::ptrdiff_t>(begin),
                     all.begin() + static_cast<std::ptrdiff_t>(end));
    some->operation = operation;
    some->now = clock_.now();
    const Result<> applied = co_await operate_on_some(loop, some);
    if (!applied) co_return applied.error();
    count.messages += some->count.messages;
    count.under_way += some->count.under_way;
  }
  co_return count;
}

std::string SqliteQueue::unavailable_because() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace postern::queue
