#pragma once

#include "base/result.h"
#include "net/completion.h"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace postern::net {

/// Threads for what would block a loop: password hashes, RSA.
/// Jobs of one lane run in order; lanes take turns, so that who sends many jobs delays itself most.
/// Limits   at most `max_queue` jobs wait, at most `max_lane` of one lane; the next is refused.
/// Threads  run() from any loop. Destroy it before the loops that use it: the destructor finishes all jobs.
class Offload {
 public:
  Offload(std::size_t threads, std::size_t max_queue);
  Offload(std::size_t threads, std::size_t max_queue, std::size_t max_lane);
  ~Offload();
  Offload(const Offload&) = delete;
  Offload& operator=(const Offload&) = delete;

  /// Runs `job` on a pool thread and resumes on `loop` with its value. Error: Exhausted when the queue or the
  /// lane is full.
  template <class F>
  Task<Result<std::invoke_result_t<F>>> run(Loop& loop, F job, std::string lane = {}) {
    Completion<std::invoke_result_t<F>> done(loop);
    const bool queued =
        try_queue(std::move(lane), [job = std::move(job), resolve = done.resolver()] { resolve(job()); });
    if (!queued) co_return fail(Errc::Exhausted, "too many jobs wait for a worker thread");
    auto value = co_await done;
    co_return value;
  }

  /// Runs `job` on a pool thread; nobody waits for it. False: the queue or the lane is full, it will not run.
  bool try_queue(std::string lane, std::function<void()> job);

  [[nodiscard]] std::size_t waiting() const;

 private:
  void work();

  struct Lane {
    std::string name;
    std::deque<std::function<void()>> jobs;  // never empty
  };
  const std::size_t max_queue_;
  const std::size_t max_lane_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::list<Lane> turns_;  // whose turn is next, first
  std::unordered_map<std::string, std::list<Lane>::iterator> lanes_;
  std::size_t waiting_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace postern::net
