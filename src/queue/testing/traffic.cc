#include "queue/testing/traffic.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace postern::queue::testing {
namespace {
constexpr std::size_t kAll = std::numeric_limits<std::int32_t>::max();
}

Traffic::Traffic(std::uint64_t seed, Options options, std::function<bool()> too_late)
    : rng_(seed), options_(options), too_late_(std::move(too_late)) {}

void Traffic::run(SqliteQueue& queue) {
  sending_ = options_.senders;
  for (int i = 0; i < options_.senders; ++i) loop_.spawn(send(queue, options_.messages));
  loop_.spawn(dispatch(queue));
  loop_.run();
}

std::vector<std::string> Traffic::verify(SqliteQueue& queue) {
  std::vector<std::string> wrong;
  found_.clear();
  loop_.spawn(look(queue, wrong));
  loop_.run();
  for (const auto& [id, promise] : promised_) compare(QueueId{id}, promise, wrong);
  for (const auto& [id, found] : found_) {
    if (!promised_.contains(id)) wrong.push_back(id_text(id) + " was never handed in");
  }
  promised_ = std::exchange(found_, {});
  return wrong;
}

void Traffic::compare(QueueId id, const Promise& promise, std::vector<std::string>& wrong) {
  const auto found = found_.find(id.value);
  const bool all_settled =
      std::ranges::all_of(promise.to, [&](const auto& to) { return promise.settling.contains(to.first); });
  if (found == found_.end()) {
    if (promise.receipt && !all_settled) wrong.push_back(to_string(id) + " is lost");
    return;
  }
  if (found->second.content != promise.content) wrong.push_back(to_string(id) + " has another content");
  for (const auto& [number, address] : promise.to) {
    const auto to = found->second.to.find(number);
    if (to == found->second.to.end()) {
      if (!promise.settling.contains(number)) wrong.push_back(to_string(id) + " lost a recipient");
    } else if (to->second != address) {
      wrong.push_back(to_string(id) + " has another recipient");
    }
  }
}

// ---- senders

Traffic::Promise Traffic::make_promise() {
  Promise promise;
  std::size_t size = rng_() % options_.longest;
  if (rng_() % 4 == 0) size = size * 4 + 1;
  promise.content.resize(size);
  for (char& c : promise.content) c = static_cast<char>(rng_());
  const auto recipients = static_cast<std::uint32_t>(1 + rng_() % 3);
  for (std::uint32_t i = 0; i < recipients; ++i)
    promise.to[i] = "to-" + std::to_string(rng_()) + "@example.net";
  return promise;
}

net::Task<> Traffic::send(SqliteQueue& queue, int count) {
  for (int i = 0; i < count && !too_late_(); ++i) {
    co_await send_one(queue);
  }
  --sending_;
}

net::Task<> Traffic::send_one(SqliteQueue& queue) {
  const Promise promise = make_promise();
  for (int i = 0; i < options_.attempts && !too_late_(); ++i) {
    const QueueId id{make_id(clock_.now().time_since_epoch().count())};
    promised_[id.value] = promise;
    const Result<Receipt> receipt = co_await hand_in(queue, id);
    if (receipt) {
      if (too_late_()) co_return;
      ++receipts_;
      promised_[id.value].receipt = true;
      co_return;
    }
    ++refused_;
  }
}

net::Task<Result<Receipt>> Traffic::hand_in(SqliteQueue& queue, QueueId id) {
  const Promise promise = promised_[id.value];
  const std::unique_ptr<Queue::Draft> draft = queue.begin(loop_, id);
  const std::size_t cut = 1 + rng_() % 30'000;
  for (std::size_t at = 0; at < promise.content.size(); at += cut) {
    POSTERN_CO_CHECK(co_await draft->append(std::string_view(promise.content).substr(at, cut)));
  }
  NewMessage message;
  message.id = id;
  message.account = AccountId{7};
  message.account_name = "alice@example.org";
  message.envelope.reverse_path = "alice@example.org";
  for (const auto& [number, address] : promise.to)
    message.envelope.recipients.push_back({address, "example.net", {}, ""});
  message.accepted_at = clock_.now();
  Result<Receipt> receipt = co_await draft->commit(std::move(message));
  co_return receipt;
}

// ---- dispatcher

net::Task<> Traffic::dispatch(SqliteQueue& queue) {
  bool more = true;
  while ((sending_ > 0 || more) && !too_late_()) {
    const Result<std::vector<Lease>> leases = co_await queue.lease_due(loop_, clock_.now(), 4);
    more = leases && !leases->empty();
    if (!leases) continue;
    for (const Lease& lease : *leases) {
      const Result<> worked = co_await work_on(queue, lease);
      if (!worked) more = sending_ > 0;
    }
  }
  while (sending_ > 0) co_await loop_.yield();
  loop_.stop();
}

net::Task<Result<>> Traffic::work_on(SqliteQueue& queue, Lease lease) {
  std::vector<RecipientOutcome> outcomes;
  for (const std::uint32_t number : lease.index) {
    using Kind = RecipientOutcome::Kind;
    const bool done = rng_() % 2 == 0;
    // What is not done is never due again while the traffic runs.
    const TimePoint later = clock_.now() + std::chrono::hours(1);
    outcomes.push_back({number, done ? Kind::Delivered : Kind::Retry, later, "4.0.0", "later"});
    if (done) promised_[lease.id.value].settling[number] = true;
  }
  const Result<> settled = co_await queue.settle(loop_, lease, std::move(outcomes), "");
  co_return settled;
}

// ---- afterwards

net::Task<Result<std::string>> Traffic::content_of(SqliteQueue& queue, QueueId id) {
  std::string content;
  for (std::uint32_t number = 0;; ++number) {
    POSTERN_CO_TRY(const std::string piece, co_await queue.read(loop_, id, number));
    if (piece.empty()) break;
    content += piece;
  }
  co_return content;
}

net::Task<> Traffic::look(SqliteQueue& queue, std::vector<std::string>& wrong) {
  const TimePoint everything = clock_.now() + std::chrono::hours(10);
  const Result<std::vector<Lease>> leases = co_await queue.lease_due(loop_, everything, kAll);
  if (!leases) wrong.push_back("cannot be read: " + leases.error().detail);
  if (leases) {
    for (const Lease& lease : *leases) {
      Promise& found = found_[lease.id.value];
      found.receipt = true;
      for (std::size_t i = 0; i < lease.index.size(); ++i)
        found.to[lease.index[i]] = lease.envelope.recipients[i].address;
      Result<std::string> content = co_await content_of(queue, lease.id);
      if (content) found.content = *std::move(content);
      if (!content) wrong.push_back(to_string(lease.id) + ": " + content.error().detail);
      queue.release(lease);
    }
  }
  loop_.stop();
}

}  // namespace postern::queue::testing
