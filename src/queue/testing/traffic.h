#pragma once

#include "base/clock.h"
#include "net/loop.h"
#include "queue/sqlite_queue.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace postern::queue::testing {

/// Some senders and one dispatcher on a real queue, and a ledger of what the queue has promised them.
///
/// Threads  one; it runs its own loop.
class Traffic {
 public:
  struct Options {
    int senders = 3;
    int messages = 4;            ///< of each sender
    std::size_t longest = 3000;  ///< octets of content; every fourth message is four times as long
    int attempts = 1;            ///< how often a sender hands in a message that was not taken
  };
  /// `too_late` becomes true when the power is gone: from then on nothing that the queue says counts.
  Traffic(std::uint64_t seed, Options options, std::function<bool()> too_late);

  /// Returns when the senders are done and the dispatcher has seen an empty queue or an error.
  void run(SqliteQueue& queue);
  /// Compares what `queue` has with what was promised; from here on, what was found is what is promised.
  /// @return what is wrong, one sentence each.
  [[nodiscard]] std::vector<std::string> verify(SqliteQueue& queue);

  [[nodiscard]] std::size_t receipts() const { return receipts_; }
  [[nodiscard]] std::size_t refused() const { return refused_; }

 private:
  struct Promise {
    std::string content;
    std::map<std::uint32_t, std::string> to;  ///< by their number
    std::map<std::uint32_t, bool> settling;   ///< those that the queue was told are done
    bool receipt = false;
  };
  net::Task<> send(SqliteQueue& queue, int count);
  net::Task<> send_one(SqliteQueue& queue);
  net::Task<Result<Receipt>> hand_in(SqliteQueue& queue, QueueId id);
  net::Task<> dispatch(SqliteQueue& queue);
  net::Task<Result<>> work_on(SqliteQueue& queue, Lease lease);
  net::Task<> look(SqliteQueue& queue, std::vector<std::string>& wrong);
  net::Task<Result<std::string>> content_of(SqliteQueue& queue, QueueId id);
  void compare(QueueId id, const Promise& promise, std::vector<std::string>& wrong);
  [[nodiscard]] Promise make_promise();

  std::mt19937_64 rng_;
  const Options options_;
  const std::function<bool()> too_late_;
  FakeClock clock_;
  net::Loop loop_;
  int sending_ = 0;
  std::size_t receipts_ = 0;
  std::size_t refused_ = 0;
  std::map<std::int64_t, Promise> promised_;
  std::map<std::int64_t, Promise> found_;
};

}  // namespace postern::queue::testing
