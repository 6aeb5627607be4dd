#include "queue/sqlite_queue.h"

#include "base/log.h"
#include "queue/fail_points.h"
#include "queue/sqlite_queue_parts.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace postern::queue {
namespace {
/// A part of the file that could not be read is looked at again after this.
constexpr std::chrono::minutes kReadAgain{1};

/// All recipients of a new message, due at the same time.
std::vector<Leases::Waiting> waiting_of(const smtp::Envelope& envelope, TimePoint due) {
  std::vector<Leases::Waiting> waiting;
  for (const smtp::Recipient& recipient : envelope.recipients) waiting.push_back({recipient.domain, due});
  return waiting;
}

/// All leased ones, as they were.
std::vector<Leases::Waiting> waiting_of(const Lease& lease) {
  std::vector<Leases::Waiting> waiting;
  for (std::size_t i = 0; i < lease.index.size(); ++i)
    waiting.push_back({lease.envelope.recipients[i].domain, lease.due[i]});
  return waiting;
}

/// Those that still wait when the outcomes are recorded.
std::vector<Leases::Waiting> waiting_after(const Lease& lease,
                                           const std::vector<RecipientOutcome>& outcomes) {
  std::vector<Leases::Waiting> waiting;
  for (const RecipientOutcome& outcome : outcomes) {
    using Kind = RecipientOutcome::Kind;
    if (outcome.kind != Kind::Retry && outcome.kind != Kind::Postponed && outcome.kind != Kind::Untried)
      continue;
    const auto found = std::ranges::lower_bound(lease.index, outcome.index);
    if (found == lease.index.end() || *found != outcome.index) continue;
    const auto at = static_cast<std::size_t>(found - lease.index.begin());
    waiting.push_back({lease.envelope.recipients[at].domain,
                       outcome.kind == Kind::Untried ? lease.due[at] : outcome.retry_at});
  }
  return waiting;
}
}  // namespace

class SqliteQueue::SqliteDraft final : public Queue::Draft {
 public:
  SqliteDraft(SqliteQueue& queue, net::Loop& loop, QueueId id)
      : queue_(queue), loop_(loop), id_(id), share_(queue.body_memory_) {
    const std::lock_guard lock(queue_.mutex_);
    ++queue_.open_drafts_;
  }
  ~SqliteDraft() override {
    {
      const std::lock_guard lock(queue_.mutex_);
      --queue_.open_drafts_;
    }
    if (committed_ || pieces_ == 0) return;  // discarding what was committed after all does nothing
    auto request = std::make_unique<Request>();
    request->urgent = false;
    request->apply = [id = id_](QueueTables& tables) { return tables.discard_draft(id); };
    request->done = [](const Result<>&) {};  // what cannot be removed now is swept at the next start
    queue_.submit(std::move(request));
  }
  SqliteDraft(const SqliteDraft&) = delete;
  SqliteDraft& operator=(const SqliteDraft&) = delete;

  net::Task<Result<>> append(std::string_view content) override {
    size_ += content.size();
    while (!content.empty()) {
      const std::size_t room = std::min(room_ - tail_.size(), content.size());
      tail_.append(content, 0, room);
      content.remove_prefix(room);
      if (tail_.size() < room_ || content.empty() || keep_more()) continue;
      while (tail_.size() >= kPiece) POSTERN_CO_CHECK(co_await put_aside());
      share_.give_back();
      room_ = kPiece;
    }
    co_return Result<>{};
  }

  net::Task<Result<Receipt>> commit(NewMessage message) override {
    auto request = std::make_unique<Request>();
    std::optional<FreshMessage> fresh;
    if (message.not_before() == message.accepted_at) {
      fresh.emplace(FreshMessage{lease_of(message), nullptr});
      // The lease is taken before the commit, so that nobody finds the message in between.
      queue_.leases_.reserve(id_);
    }
    const auto shared = std::make_shared<NewMessage>(std::move(message));
    const std::shared_ptr<const std::string> tail = BodyShare::bind(std::move(share_), std::move(tail_));
    if (fresh && pieces_ == 0) fresh->content = tail;
    if (shared->account_name.empty()) {
      request->before = "before_report_commit";
      request->after = "after_report_commit";
    }
    request->fresh = std::move(fresh);
    request->apply = [shared, tail, size = size_, pieces = pieces_](QueueTables& tables) {
      return tables.insert_message(*shared, size, pieces, *tail);
    };
    if (!request->fresh) {
      request->done = [&leases = queue_.leases_, shared](const Result<>& written) {
        if (written) leases.add(shared->account, waiting_of(shared->envelope, shared->not_before()));
      };
    }
    const Result<> durable = co_await queue_.submit_and_wait(loop_, std::move(request));
    if (!durable) co_return durable.error();
    committed_ = true;
    co_return queue_.make_receipt(id_);
  }

 private:
  /// Whether the content, which has filled its room, may go on in memory.
  bool keep_more() {
    if (pieces_ > 0 || room_ == kMostInMemory || !share_.take(kPiece)) return false;
    room_ += kPiece;
    return true;
  }

  net::Task<Result<>> put_aside() {
    auto request = std::make_unique<Request>();
    auto content = std::make_shared<std::string>(tail_, 0, kPiece);
    tail_.erase(0, kPiece);
    request->before = "before_piece_commit";
    request->after = "after_piece_commit";
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
      lease.bounce.push_back(false);
      lease.delay_reported.push_back(false);
      lease.due.push_back(m.accepted_at);
    }
    lease.signing_domain = m.signing_domain;
    lease.accepted_at = m.accepted_at;
    lease.size = size_;
    lease.eight_bit = m.eight_bit;
    lease.smtputf8 = m.smtputf8;
    lease.binary = m.binary;
    lease.novelty = m.novelty;
    return lease;
  }

  SqliteQueue& queue_;
  net::Loop& loop_;
  const QueueId id_;
  BodyShare share_;
  std::size_t room_ = kPiece;
  std::string tail_;
  std::uint64_t size_ = 0;
  std::uint32_t pieces_ = 0;
  bool committed_ = false;
};

Result<std::unique_ptr<SqliteQueue>> SqliteQueue::open(const std::string& path, const Options& options,
                                                       const Clock& clock, const char* vfs) {
  auto gathering = std::make_unique<store::GatheringVfs>(vfs);
  POSTERN_TRY(store::Database database,
              store::Database::open(path, store::Database::Sync::Full, gathering->name()));
  POSTERN_CHECK(database.migrate(queue_schema()));
  POSTERN_TRY(QueueTables tables, QueueTables::prepare(database));
  POSTERN_TRY(store::Transaction sweep, store::Transaction::begin(database));
  POSTERN_CHECK(tables.sweep());
  POSTERN_CHECK(sweep.commit());
  if (const Result<> counted = tables.load_counts(); !counted)
    log::Event(log::Level::Error, "queue.depth_unknown").with("why", counted.error().detail);
  POSTERN_TRY(QueueReader reader, QueueReader::open(path, vfs));
  POSTERN_TRY(QueueReader operator_reader, QueueReader::open(path, vfs));
  auto files = std::unique_ptr<Files>(new Files{std::move(gathering), std::move(database), std::move(tables),
                                                std::move(reader), std::move(operator_reader)});
  std::unique_ptr<SqliteQueue> queue(new SqliteQueue(std::move(files), options, clock));
  POSTERN_CHECK(queue->load_state());
  return queue;
}

SqliteQueue::SqliteQueue(std::unique_ptr<Files> files, const Options& options, const Clock& clock)
    : files_(std::move(files)),
      options_(options),
      clock_(clock),
      body_memory_(std::make_shared<BodyMemory>(options.body_memory)),
      leases_(options.active_capacity),
      writer_([this] { write_groups(); }) {}

Result<> SqliteQueue::load_state() {
  POSTERN_TRY(const std::vector<AccountHold> holds, files_->reader.held_accounts());
  for (const AccountHold& hold : holds) {
    holds_[hold.account] = hold;
    leases_.hold(hold.account);
  }
  note_depth();
  look_for_oldest();
  return files_->reader.flows([this](AccountId account, std::string domain, TimePoint due) {
    leases_.add(account, {{std::move(domain), due}});
  });
}

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
  const std::lock_guard lock(taker_mutex_);
  taker_ = std::move(taker);
}

void SqliteQueue::set_on_due(std::function<void()> on_due) { leases_.set_on_due(std::move(on_due)); }

void SqliteQueue::set_site_of(std::function<std::string(std::string_view)> site_of) {
  leases_.set_site_of(std::move(site_of));
}

net::Task<Result<>> SqliteQueue::submit_and_wait(net::Loop& loop, std::unique_ptr<Request> request) {
  net::Completion<Result<>> done(loop);
  request->done = [then = std::move(request->done), resolve = done.resolver()](Result<> result) {
    if (then) then(result);
    resolve(std::move(result));
  };
  submit(std::move(request));
  const Result<> written = co_await done;
  co_return written;
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
  files_->tables.rolled_back();  // if the last group was
  POSTERN_TRY(store::Transaction transaction, store::Transaction::begin(files_->database));
  for (const auto& request : group) POSTERN_CHECK(request->apply(files_->tables));
  for (const auto& request : group) fail_point(request->before);
  POSTERN_CHECK(transaction.commit());  // returns after the sync
  files_->tables.committed();
  for (const auto& request : group) fail_point(request->after);
  return {};
}

void SqliteQueue::write_group(std::deque<std::unique_ptr<Request>> group) {
  const Result<> written = execute(group);
  note_state_of_store(written);
  if (written) note_depth();
  if (!written && written.error().code != Errc::Unavailable && group.size() > 1) {
    // One record that cannot be written must not take the others with it.
    for (std::unique_ptr<Request>& request : group) {
      std::deque<std::unique_ptr<Request>> one;
      one.push_back(std::move(request));
      write_group(std::move(one));
    }
    return;
  }
  for (auto& request : group) finish(*request, written);
}

void SqliteQueue::note_state_of_store(const Result<>& written) {
  const std::lock_guard lock(mutex_);
  if (!written && failure_.empty()) {
    log::Event(log::Level::Error, "queue.store_failed").with("why", written.error().detail);
  } else if (written && !failure_.empty()) {
    log::Event(log::Level::Info, "queue.store_works_again");
  }
  // Other errors concern what was to be written, and not the store.
  if (written || written.error().code == Errc::Unavailable) failure_ = written ? "" : written.error().detail;
}

void SqliteQueue::finish(Request& request, const Result<>& written) {
  bool goes_on = false;
  std::unique_lock<std::mutex> hand_over;
  if (request.fresh) {
    hand_over = std::unique_lock(taker_mutex_);
    Lease& lease = request.fresh->lease;
    // Before the sender learns of its Receipt: whoever asks then for what is due must find the message.
    if (!written) {
      end_lease(lease.id, lease.account, {});
    } else if (taker_) {
      goes_on = leases_.admit(lease);
    } else {
      end_lease(lease.id, lease.account, waiting_of(lease));
    }
  }
  request.done(written ? Result<>{} : Result<>(Error{Errc::Unavailable, written.error().detail}));
  if (goes_on) taker_(*std::move(request.fresh));
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

void SqliteQueue::end_lease(QueueId id, AccountId account, const std::vector<Leases::Waiting>& again) {
  if (!leases_.end(id, account, again)) return;
  auto request = std::make_unique<Request>();
  request->urgent = false;
  request->apply = [id](QueueTables& tables) { return tables.finish_removal(id); };
  request->done = [](const Result<>&) {};  // what cannot be removed now is swept at the next start
  submit(std::move(request));
}

bool SqliteQueue::withdrawn(QueueId id) const { return leases_.withdrawn(id); }

void SqliteQueue::release(const Lease& lease) { end_lease(lease.id, lease.account, waiting_of(lease)); }

/// A damaged record stays leased, so that nobody stumbles over it again while this process lives; it stays in the
/// file.
void SqliteQueue::set_aside(QueueId id, const std::string& why) {
  log::Event(log::Level::Error, "queue.record_set_aside").with("queue_id", id).with("why", why);
  const std::lock_guard lock(depth_mutex_);
  ++depth_.set_aside;
}

Result<std::vector<Lease>> SqliteQueue::find_due(TimePoint now, std::size_t max) {
  std::vector<Lease> leases;
  std::unordered_set<QueueId> gone;
  Result<> readable;
  while (leases.size() < max && readable) {
    std::optional<Schedule::Turn> turn = leases_.next(now);
    if (!turn) break;
    turn->room = std::min(turn->room, max - leases.size());
    std::vector<QueueId> taken;
    const Result<QueueReader::Look> look = files_->reader.look(
        *turn, now, [&](const Position& row) { return leases_.take(*turn, row); }, taken);
    for (const QueueId id : taken) {
      Result<Lease> lease = files_->reader.load(id, now);
      if (!lease && lease.error().code == Errc::Unavailable) {
        end_lease(id, turn->account, {{turn->domain, kDueAlready}});
        readable = lease.error();
      } else if (!lease && lease.error().code == Errc::NotFound && gone.insert(id).second) {
        // Once: it was delivered or removed after the look, and is not found again. Again: its row is missing.
        end_lease(id, turn->account, {{turn->domain, kDueAlready}});
      } else if (!lease) {
        set_aside(id, lease.error().detail);
      } else if (lease->index.empty() && !gone.insert(id).second) {
        // Once: its last recipient was settled after the look. Again: it would be found for ever.
        set_aside(id, "the index of what is due is damaged");
      } else if (leases_.admit(*lease)) {
        leases.push_back(*std::move(lease));
      }
    }
    if (look) {
      leases_.seen(*turn, look->reached, look->next_due);
      continue;
    }
    // A part of the file that is damaged does not stop what is elsewhere.
    log::Event(log::Level::Error, "queue.read_failed").with("why", look.error().detail);
    leases_.seen(*turn, std::nullopt, now + kReadAgain);
    if (look.error().code == Errc::Unavailable) readable = look.error();
  }
  if (!readable && leases.empty()) return readable.error();
  return leases;
}

net::Task<Result<std::vector<Lease>>> SqliteQueue::lease_due(net::Loop& loop, TimePoint now,
                                                             std::size_t max) {
  auto job = [this, now, max] { return find_due(now, max); };
  Result<Result<std::vector<Lease>>> found = co_await readers_.run(loop, std::move(job));
  if (!found) co_return found.error();
  co_return *std::move(found);
}

net::Task<Result<std::string>> SqliteQueue::read(net::Loop& loop, QueueId id, std::uint32_t piece) {
  auto job = [this, id, piece] {
    Result<std::string> content = files_->reader.piece(id, piece);
    if (!content && content.error().code == Errc::Corrupt && leases_.keep(id))
      set_aside(id, content.error().detail);
    return content;
  };
  Result<Result<std::string>> content = co_await readers_.run(loop, std::move(job));
  if (!content) co_return content.error();
  co_return *std::move(content);
}

net::Task<Result<>> SqliteQueue::settle(net::Loop& loop, const Lease& lease,
                                        std::vector<RecipientOutcome> outcomes, std::string keep_signature) {
  auto request = std::make_unique<Request>();
  request->urgent = false;
  request->before = keep_signature.empty() ? "before_settle_commit" : "before_signature_commit";
  request->after = keep_signature.empty() ? "after_settle_commit" : "after_signature_commit";
  const QueueId id = lease.id;
  auto shared = std::make_shared<std::pair<std::vector<RecipientOutcome>, std::string>>(
      std::move(outcomes), std::move(keep_signature));
  auto again = std::make_shared<std::vector<Leases::Waiting>>(waiting_after(lease, shared->first));
  request->apply = [id, shared](QueueTables& tables) {
    return tables.settle(id, shared->first, shared->second);
  };
  request->done = [this, id, account = lease.account, again](const Result<>& result) {
    if (result) end_lease(id, account, *again);
  };
  const Result<> settled = co_await submit_and_wait(loop, std::move(request));
  co_return settled;
}

std::string SqliteQueue::unavailable_because() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace postern::queue
