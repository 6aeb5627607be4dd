#pragma once

#include "base/clock.h"
#include "base/ids.h"
#include "base/options.h"
#include "base/result.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace postern::queue {

/// One thing that happened to a message or one of its recipients.
struct HistoryEvent {
  TimePoint time;
  QueueId id;
  std::string kind;  ///< "accepted", "delivered", "deferred", "failed", "reported", "held", "removed"...
  std::string account;
  std::string sender;
  std::string recipient;  ///< empty: the whole message
  std::string detail;     ///< host, TLS, reply, next attempt: in words, one line
};

/// The table [history].
struct HistoryOptions {
  std::chrono::seconds keep{std::chrono::hours{24 * 90}};

  static auto fields() {
    using std::chrono::hours;
    return std::tuple{
        field("keep", &HistoryOptions::keep, hours{1}, hours{24 * 3650}, Reload::Live,
              "How long `postern trace` and `postern watch export` know what became of mail."),
    };
  }
};

/// What became of every message: the source of `postern trace`.
///
/// Owns     history.db and a thread that writes to it in batches.
/// Threads  safe from any thread; record() never blocks.
/// Durable  the last second may be lost in a crash; mail never depends on it.
/// Limits   kMaxPending events wait; beyond that new ones are dropped and counted.
class History {
 public:
  static constexpr std::size_t kMaxPending = 100'000;

  /// A damaged file is put aside as PATH.damaged-MILLISECONDS, and a new one begins. Errors: Unavailable.
  [[nodiscard]] static Result<std::unique_ptr<History>> open(const std::string& path);
  ~History();

  void record(HistoryEvent event);
  /// Events older than `time` go, by and by; 0: they stay. Default: 0.
  void keep(std::chrono::milliseconds time);
  /// Events of one message, oldest first.
  [[nodiscard]] Result<std::vector<HistoryEvent>> of_message(QueueId id);
  /// The newest events in which `address` is account, sender or recipient, letter case aside, oldest first.
  [[nodiscard]] Result<std::vector<HistoryEvent>> of_address(const std::string& address, std::size_t limit);
  /// Returns when everything recorded before is written.
  void flush();
  [[nodiscard]] std::uint64_t dropped() const;

 private:
  struct Store;
  explicit History(std::unique_ptr<Store> store);
  [[nodiscard]] static Result<std::unique_ptr<History>> open_file(const std::string& path);
  void work();
  bool forget_some(TimePoint before);

  std::unique_ptr<Store> store_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::deque<HistoryEvent> pending_;
  std::uint64_t recorded_ = 0;
  std::uint64_t written_ = 0;  // of those, in order; with those whose write failed
  bool stopping_ = false;
  std::chrono::milliseconds kept_{0};
  SteadyTime forget_at_ = SteadyTime::max();
  std::uint64_t dropped_ = 0;
  std::thread thread_;
};

}  // namespace postern::queue
