#include "net/offload.h"

namespace postern::net {

Offload::Offload(std::size_t threads, std::size_t max_queue) : Offload(threads, max_queue, max_queue) {}

Offload::Offload(std::size_t threads, std::size_t max_queue, std::size_t max_lane)
    : max_queue_(max_queue), max_lane_(max_lane) {
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

Offload::~Offload() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::size_t Offload::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

bool Offload::try_queue(std::string lane, std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || waiting_ >= max_queue_) return false;
    auto found = lanes_.find(lane);
    if (found == lanes_.end()) {
      turns_.push_back({lane, {}});
      found = lanes_.emplace(std::move(lane), std::prev(turns_.end())).first;
    } else if (found->second->jobs.size() >= max_lane_) {
      return false;
    }
    found->second->jobs.push_back(std::move(job));
    ++waiting_;
  }
  wake_.notify_one();
  return true;
}

void Offload::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || waiting_ > 0; });
    if (waiting_ == 0) return;
    const auto lane = turns_.begin();
    const std::function<void()> job = std::move(lane->jobs.front());
    lane->jobs.pop_front();
    --waiting_;
    if (lane->jobs.empty()) {
      lanes_.erase(lane->name);
      turns_.erase(lane);
    } else {
      turns_.splice(turns_.end(), turns_, lane);
    }
    lock.unlock();
    job();
    lock.lock();
  }
}

}  // namespace postern::net
