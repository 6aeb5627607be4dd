#include "delivery/dispatcher.h"

#include "base/log.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace postern::delivery {
namespace {

/// How often the queue is asked although nobody called wake(): due times are minutes apart.
constexpr std::chrono::seconds kPollInterval{1};
/// Messages leased in one question to the queue.
constexpr std::size_t kLeaseBatch = 64;
/// What sessions get to notice that they were cut off.
constexpr std::chrono::milliseconds kCutOff{200};
/// How often stop() looks whether everything has ended.
constexpr std::chrono::milliseconds kStopInterval{20};

}  // namespace

Dispatcher::Dispatcher(Settings settings, Services services, const std::vector<Place>& places)
    : max_active_(settings.options.max_active),
      services_(std::move(services)),
      shared_(max_active_),
      due_(places.front().loop) {
  const auto all = std::make_shared<const Settings>(std::move(settings));
  for (const Place& place : places) {
    lanes_.push_back(
        std::make_unique<Lane>(place.loop, place.resolver, all, services_, shared_, [this] { concluded(); }));
  }
}

Dispatcher::~Dispatcher() = default;

void Dispatcher::start() {
  services_.queue.set_on_accepted([this](queue::FreshMessage message) { take_fresh(std::move(message)); });
  services_.queue.set_on_due([this] { wake(); });
  services_.queue.set_site_of(
      [names = shared_.site_names](std::string_view domain) { return names->of(domain); });
  polling_.store(true);
  lanes_.front()->loop().spawn(poll());
}

void Dispatcher::take_fresh(queue::FreshMessage message) {
  const Urgency urgency = services_.urgency ? services_.urgency(message.lease.account) : Urgency::Prompt;
  if (stopping_.load() || !shared_.room.admit(urgency)) {
    services_.queue.release(message.lease);
    held_back_.store(true);
    return;
  }
  Lane& lane = next_lane();
  auto carried = std::make_shared<queue::FreshMessage>(std::move(message));
  lane.loop().post(
      [&lane, carried] { lane.deliver(std::move(carried->lease), std::move(carried->content)); });
}

void Dispatcher::concluded() {
  shared_.room.leave();
  const std::size_t left = active();
  services_.metrics.active(left);
  // Enough room for a batch again, and there may be more on disk.
  const bool held_back = left < backlog_limit() / 2 && held_back_.exchange(false);
  if (held_back || left + kLeaseBatch == backlog_limit()) wake();
}

/// A quarter of the active set is for messages that were just handed in: a deep backlog must not make them
/// wait.
std::size_t Dispatcher::backlog_limit() const { return max_active_ - max_active_ / 4; }

void Dispatcher::wake() {
  lanes_.front()->loop().post([this] { due_.notify(); });
}

void Dispatcher::try_now() {
  for (const std::unique_ptr<Lane>& lane : lanes_) {
    lane->loop().post([&lane = *lane] { lane.forget_failures(); });
  }
  shared_.paces.resume_all();
  wake();
}

std::optional<Pace::State> Dispatcher::pace(const std::string& budget) {
  return shared_.paces.state(budget, services_.clock.steady_now());
}

void Dispatcher::adopt(Settings settings) {
  const auto all = std::make_shared<const Settings>(std::move(settings));
  for (const std::unique_ptr<Lane>& lane : lanes_) {
    lane->loop().post([&lane = *lane, all] { lane.adopt(all); });
  }
  wake();
}

net::Task<> Dispatcher::poll() {
  net::Loop& loop = lanes_.front()->loop();
  while (!stopping_.load()) {
    const std::size_t limit = backlog_limit();
    const std::size_t room = limit - std::min(active(), limit);
    std::size_t taken = 0;
    if (room > 0) {
      Result<std::vector<queue::Lease>> leases =
          co_await services_.queue.lease_due(loop, services_.clock.now(), std::min(room, kLeaseBatch));
      if (leases) taken = leases->size();
      if (leases) spread(*std::move(leases));
    }
    if (taken == kLeaseBatch) continue;  // there may be more
    [[maybe_unused]] const bool woken =
        co_await due_.wait_until(services_.clock.steady_now() + kPollInterval);
  }
  polling_ = false;
}

void Dispatcher::spread(std::vector<queue::Lease> leases) {
  for (queue::Lease& lease : leases) {
    if (stopping_.load()) {
      services_.queue.release(lease);
      continue;
    }
    shared_.room.enter();
    Lane& lane = next_lane();
    auto carried = std::make_shared<queue::Lease>(std::move(lease));
    lane.loop().post([&lane, carried] { lane.deliver(std::move(*carried), nullptr); });
  }
}

std::size_t Dispatcher::sessions() const {
  std::size_t all = 0;
  for (const std::unique_ptr<Lane>& lane : lanes_) all += lane->sessions();
  return all;
}

Lane& Dispatcher::next_lane() { return *lanes_[turn_.fetch_add(1) % lanes_.size()]; }

net::Task<> Dispatcher::stop(net::Loop& loop, SteadyTime deadline) {
  stopping_.store(true);
  services_.queue.set_on_accepted({});
  services_.queue.set_on_due({});
  wake();
  for (const std::unique_ptr<Lane>& lane : lanes_) {
    lane->loop().post([&lane = *lane] { lane.stop(); });
  }
  bool cut = false;
  while (true) {
    const SteadyTime now = services_.clock.steady_now();
    const bool settled = active() == 0 && !polling_.load();
    // A session that still waits for its connection or banner has no mail; it is not worth more than the
    // deadline.
    if (settled && (sessions() == 0 || now >= deadline + kCutOff)) break;
    if (!cut && now >= deadline) {
      cut = true;
      log::Event(log::Level::Warning, "delivery.cut_off").with("messages", active());
      for (const std::unique_ptr<Lane>& lane : lanes_) {
        lane->loop().post([&lane = *lane] { lane.cancel(); });
      }
    }
    co_await loop.sleep_until(now + kStopInterval);
  }
}

}  // namespace postern::delivery
