#pragma once

#include "base/result.h"
#include "net/completion.h"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace postern::net {

/// Threads for what would block a loop: password hashes, RSA.
/// Limits   at most `max_queue` jobs wait; the next is refused.
/// Threads  run() from any loop. Destroy it before the loops that use it: the destructor finishes all jobs.
class Offload {
 public:
  Offload(std::size_t threads, std::size_t max_queue);
  ~Offload();
  Offload(const Offload&) = delete;
  Offload& operator=(const Offload&) = delete;

  /// Runs `job` on a pool thread and resumes on `loop` with its value. Error: Exhausted when the queue is
  /// full.
  template <class F>
  Task<Result<std::invoke_result_t<F>>> run(Loop& loop, F job) {
    Completion<std::invoke_result_t<F>> done(loop);
    const bool queued = try_queue([job = std::move(job), resolve = done.resolver()] { resolve(job()); });
    if (!queued) co_return fail(Errc::Exhausted, "too many jobs wait for a worker thread");
    auto value = co_await done;
    co_return value;
  }

  [[nodiscard]] std::size_t waiting() const;

 private:
  bool try_queue(std::function<void()> job);
  void work();

  const std::size_t max_queue_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace postern::net
