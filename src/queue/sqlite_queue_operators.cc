// What operators ask of the queue.

#include "queue/sqlite_queue_parts.h"

#include <algorithm>
#include <utility>

namespace postern::queue {
namespace {
/// Messages that an operator's verb changes in one transaction, so that clients need not wait long.
constexpr std::size_t kOperateBatch = 500;

std::vector<Leases::Waiting> due_in(const std::vector<std::string>& domains) {
  std::vector<Leases::Waiting> waiting;
  for (const std::string& domain : domains) waiting.push_back({domain, kDueAlready});
  return waiting;
}
}  // namespace

net::Task<Result<std::vector<Listed>>> SqliteQueue::list(net::Loop& loop, const Filter& filter) {
  // Named, not a temporary beside co_await: g++ 12 destroys its captures twice.
  auto job = [this, filter] { return files_->operator_reader.list(filter); };
  Result<Result<std::vector<Listed>>> found = co_await operators_.run(loop, std::move(job));
  if (!found) co_return found.error();
  if (*found) {
    for (Listed& entry : **found) entry.active = leases_.leased(entry.id);
  }
  co_return *std::move(found);
}

net::Task<Result<std::vector<Grouped>>> SqliteQueue::group(net::Loop& loop, const Filter& filter,
                                                           GroupBy by) {
  auto job = [this, filter, by] { return files_->operator_reader.group(filter, by); };
  Result<Result<std::vector<Grouped>>> found = co_await operators_.run(loop, std::move(job));
  if (!found) co_return found.error();
  co_return *std::move(found);
}

net::Task<Result<Operated>> SqliteQueue::count(net::Loop& loop, const Filter& filter) {
  auto job = [this, filter] { return files_->operator_reader.count(filter); };
  Result<Result<Operated>> found = co_await operators_.run(loop, std::move(job));
  if (!found) co_return found.error();
  co_return *std::move(found);
}

/// One batch of an operator's verb on its way through the writer.
struct SqliteQueue::Operating {
  std::vector<QueueId> ids;
  Filter filter;
  Operation operation;
  TimePoint now;
  struct Taken {
    QueueId id;
    AccountId account;
    std::vector<Leases::Waiting> waiting;
  };
  std::vector<Taken> taken;  // leased for the moment, so that no dispatcher finds them half changed
  Operated count;
};

Result<> SqliteQueue::operate_on(QueueTables& tables, QueueId id, Operating& operating) {
  POSTERN_TRY(const std::size_t meant, tables.count(id, operating.filter));
  if (meant == 0) return {};  // delivered meanwhile
  ++operating.count.messages;
  operating.count.recipients += meant;
  const Operation operation = operating.operation;
  const Leases::Owner owner = leases_.operate(id, operation, operating.filter.by_recipient());
  if (owner == Leases::Owner::Operator) {
    operating.taken.push_back({id, {}, {}});
    // Should the batch fail, it goes back as it was.
    Operating::Taken& taken = operating.taken.back();
    POSTERN_TRY(const std::vector<std::string> domains, tables.waiting_domains(id, taken.account));
    taken.waiting = due_in(domains);
  } else {
    ++operating.count.under_way;
    if (owner == Leases::Owner::Gone || operation == Operation::Retry) return {};
  }
  if (owner == Leases::Owner::Dispatcher && operation == Operation::Remove) {
    return tables.mark_removed(id, operating.filter);
  }
  POSTERN_CHECK(tables.operate(id, operating.filter, operation, operating.now));
  AccountId account;
  POSTERN_TRY(const std::vector<std::string> domains, tables.waiting_domains(id, account));
  if (owner == Leases::Owner::Dispatcher) {
    leases_.look_again(id, domains);
    return {};
  }
  operating.taken.back().account = account;
  operating.taken.back().waiting = due_in(domains);
  return {};
}

net::Task<Result<>> SqliteQueue::operate_on_some(net::Loop& loop, std::shared_ptr<Operating> operating) {
  auto request = std::make_unique<Request>();
  request->apply = [this, operating](QueueTables& tables) -> Result<> {
    // It may be the second try, after one that was rolled back.
    for (const Operating::Taken& taken : std::exchange(operating->taken, {}))
      leases_.end(taken.id, taken.account, {});
    operating->count = {};
    for (const QueueId id : operating->ids) POSTERN_CHECK(operate_on(tables, id, *operating));
    return {};
  };
  request->done = [this, operating](const Result<>&) {
    released_.store(true);
    for (const Operating::Taken& taken : operating->taken) end_lease(taken.id, taken.account, taken.waiting);
  };
  const Result<> applied = co_await submit_and_wait(loop, std::move(request));
  co_return applied;
}

net::Task<Result<Operated>> SqliteQueue::operate(net::Loop& loop, const Filter& filter, Operation operation) {
  auto job = [this, filter] { return files_->operator_reader.matching(filter); };
  const Result<Result<std::vector<QueueId>>> found = co_await operators_.run(loop, std::move(job));
  if (!found) co_return found.error();
  if (!*found) co_return (*found).error();
  const std::vector<QueueId>& all = **found;
  Operated count;
  for (std::size_t begin = 0; begin < all.size(); begin += kOperateBatch) {
    const std::size_t end = std::min(all.size(), begin + kOperateBatch);
    auto some = std::make_shared<Operating>();
    some->ids.assign(all.begin() + static_cast<std::ptrdiff_t>(begin),
                     all.begin() + static_cast<std::ptrdiff_t>(end));
    some->filter = filter;
    some->operation = operation;
    some->now = clock_.now();
    const Result<> applied = co_await operate_on_some(loop, some);
    if (!applied) co_return applied.error();
    count.messages += some->count.messages;
    count.under_way += some->count.under_way;
    count.recipients += some->count.recipients;
  }
  co_return count;
}

net::Task<Result<>> SqliteQueue::hold_account(net::Loop& loop, AccountHold hold) {
  auto request = std::make_unique<Request>();
  request->apply = [hold](QueueTables& tables) { return tables.hold_account(hold); };
  request->done = [this, hold](const Result<>& written) {
    if (!written) return;
    {
      const std::lock_guard lock(holds_mutex_);
      holds_[hold.account] = hold;
    }
    leases_.hold(hold.account);
  };
  const Result<> held = co_await submit_and_wait(loop, std::move(request));
  co_return held;
}

net::Task<Result<>> SqliteQueue::release_account(net::Loop& loop, AccountId account) {
  {
    const std::lock_guard lock(holds_mutex_);
    if (!holds_.contains(account)) co_return fail(Errc::NotFound, "the account is not held");
  }
  auto request = std::make_unique<Request>();
  request->apply = [account](QueueTables& tables) { return tables.release_account(account); };
  request->done = [this, account](const Result<>& written) {
    if (!written) return;
    {
      const std::lock_guard lock(holds_mutex_);
      holds_.erase(account);
    }
    leases_.release(account);
  };
  const Result<> released = co_await submit_and_wait(loop, std::move(request));
  co_return released;
}

bool SqliteQueue::account_held(AccountId account) const {
  const std::lock_guard lock(holds_mutex_);
  return holds_.contains(account);
}

std::vector<AccountHold> SqliteQueue::held_accounts() const {
  const std::lock_guard lock(holds_mutex_);
  std::vector<AccountHold> holds;
  for (const auto& [account, hold] : holds_) holds.push_back(hold);
  std::ranges::sort(holds, {}, &AccountHold::since);
  return holds;
}

void SqliteQueue::note_depth() {
  const Counts& counts = files_->tables.counts();
  const std::lock_guard lock(depth_mutex_);
  depth_.waiting = counts.waiting;
  depth_.held = counts.held;
}

void SqliteQueue::look_for_oldest() {
  const Result<QueueReader::Oldest> oldest = files_->operator_reader.oldest(released_.exchange(false));
  if (!oldest) return;  // what is known stays; why it is so is said where mail is read
  const std::lock_guard lock(depth_mutex_);
  depth_.oldest_waiting = oldest->waiting;
  depth_.oldest_held = oldest->held;
}

SqliteQueue::Depth SqliteQueue::depth() {
  constexpr std::chrono::seconds kLookAgain{2};
  const std::size_t accounts = held_accounts().size();
  const std::lock_guard lock(depth_mutex_);
  const SteadyTime now = clock_.steady_now();
  if (now - looked_at_ >= kLookAgain && !looking_) {
    // One at a time: in a deep queue a look may take longer than the time to the next.
    looking_ = operators_.try_queue("oldest", [this] {
      look_for_oldest();
      const std::lock_guard ended(depth_mutex_);
      looking_ = false;
    });
    looked_at_ = now;
  }
  Depth depth = depth_;
  depth.held_accounts = accounts;
  return depth;
}

}  // namespace postern::queue
