#pragma once

#include "base/clock.h"
#include "delivery/dispatcher.h"
#include "delivery/testing/fake_mx.h"
#include "dns/fake_resolver.h"
#include "queue/history.h"
#include "queue/sqlite_queue.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace postern::delivery::testing {

/// Wall-clock time that stands still until moved; the monotonic clock is the real one, because sockets need
/// it.
class TestClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override { return wall_.now(); }
  [[nodiscard]] SteadyTime steady_now() const override { return std::chrono::steady_clock::now(); }
  void advance(std::chrono::milliseconds by) { wall_.advance(by); }

 private:
  FakeClock wall_;
};

/// Everything delivery stands on, with a real queue in a directory of its own, a fake DNS, and a dispatcher
/// on one loop.
class DeliveryTest : public ::testing::Test {
 protected:
  DeliveryTest();
  ~DeliveryTest() override;

  /// Begins to deliver with `settings_`. Next hops must be known to the resolver before.
  void start();
  /// Runs the loop until `done`, or fails the test after ten seconds.
  void run_until(std::function<bool()> done);
  /// Runs until nothing is being delivered and the queue lists `left` messages.
  void run_until_left(std::size_t left);
  /// Stops the dispatcher within `patience`.
  void stop(std::chrono::milliseconds patience = std::chrono::seconds{5});

  queue::NewMessage message(const std::vector<std::string>& recipients);
  /// Makes a message durable, which hands it to the dispatcher.
  void put(queue::NewMessage message, std::string content = std::string(kContent));
  std::vector<queue::Listed> listed();
  /// Events of all messages put so far, as "kind recipient: detail" lines.
  std::string history();

  static constexpr std::string_view kContent = "From: anna@example.org\r\nSubject: hi\r\n\r\nbody\r\n";

  net::Loop loop_;
  TestClock clock_;
  std::string directory_;
  std::unique_ptr<queue::SqliteQueue> queue_;
  std::unique_ptr<queue::History> history_;
  dkim::SigningKey key_;
  Signer signer_;
  metrics::Registry registry_;
  Metrics metrics_{registry_};
  dns::FakeResolver resolver_;
  Settings settings_;
  std::map<std::string, Provider> providers_;
  std::function<Urgency(AccountId)> services_urgency_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::vector<QueueId> put_;
  bool store_works_ = true;  ///< for reports

 private:
  net::Task<Result<>> enqueue_report(std::string recipient, std::string content, smtp::MailParams params);
  net::Task<> do_put(queue::NewMessage message, std::string content);
  net::Task<> do_list(std::vector<queue::Listed>& out, bool& done);
  net::Task<> do_wait(std::function<bool()> done, bool& came);
  net::Task<> do_wait_left(std::size_t left, bool& came);
  net::Task<> do_stop(std::chrono::milliseconds patience);
};

}  // namespace postern::delivery::testing
