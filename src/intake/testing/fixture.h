#pragma once

#include "intake/pipeline.h"
#include "queue/sqlite_queue.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::intake::testing {

/// What became of one submission.
struct Outcome {
  std::optional<Refusal> refusal;
  QueueId id;
  std::string stored;  ///< as the queue holds it; ids and the random part replaced by QUEUEID and RANDOM
  queue::Lease lease;  ///< what was kept beside the content
};

/// Intake between a directory, limits, a real queue and a history, all in a directory of their own.
///
/// example.org has a key, bare.example has none. alice@example.org also owns sales@example.org, everything in
/// list.example.org and everything in bare.example; bob@example.org is somebody else.
class IntakeTest : public ::testing::Test {
 protected:
  IntakeTest();
  ~IntakeTest() override;

  /// Other limits, none used: one for persons, as a line of guard/limit.h.
  void limit_person(const std::string& line);
  /// Submits `message` in pieces of `cut` octets.
  Outcome submit(std::string_view message, std::size_t cut = 100'000);
  /// The refusal's detail, or "accepted".
  std::string verdict(std::string_view message);
  /// The lease of the message that was made durable last; once each.
  queue::Lease taken();
  /// Everything that the history knows of a message, as "kind detail" lines.
  std::string history_of(QueueId id);

  FakeClock clock_;
  net::Loop loop_;
  std::string path_;
  std::string hostname_ = "mail.example.org";
  Options options_;
  std::unique_ptr<accounts::Directory> directory_;
  std::unique_ptr<guard::Limits> limits_;
  std::unique_ptr<queue::SqliteQueue> queue_;
  std::unique_ptr<queue::History> history_;
  queue::Queue* use_queue_ = nullptr;  ///< instead of queue_
  SubmissionFacts facts_;              ///< of the next submission

 private:
  std::mutex taken_mutex_;
  std::condition_variable taken_wake_;
  std::optional<queue::Lease> taken_;
  net::Task<> do_submit(std::string_view message, std::size_t cut, Outcome& out);
  net::Task<> do_read(Outcome& out);
};

/// A queue whose store does not work: after `good_appends` pieces, appending or, at last, committing fails.
class BrokenQueue final : public queue::Queue {
 public:
  explicit BrokenQueue(int good_appends) : good_appends_(good_appends) {}
  std::unique_ptr<Draft> begin(net::Loop& loop, QueueId id) override;
  void set_on_accepted(std::function<void(queue::FreshMessage)> taker) override;
  void set_on_due(std::function<void()> /*on_due*/) override {}
  void set_site_of(std::function<std::string(std::string_view)> /*site_of*/) override {}
  net::Task<Result<std::vector<queue::Lease>>> lease_due(net::Loop& loop, TimePoint now,
                                                         std::size_t max) override;
  void release(const queue::Lease& lease) override;
  net::Task<Result<std::string>> read(net::Loop& loop, QueueId id, std::uint32_t piece) override;
  net::Task<Result<>> settle(net::Loop& loop, const queue::Lease& lease,
                             std::vector<queue::RecipientOutcome> outcomes,
                             std::string keep_signature) override;
  net::Task<Result<std::vector<queue::Listed>>> list(net::Loop& loop, const queue::Filter& filter) override;
  net::Task<Result<std::vector<queue::Grouped>>> group(net::Loop& loop, const queue::Filter& filter,
                                                       queue::GroupBy by) override;
  net::Task<Result<queue::Operated>> count(net::Loop& loop, const queue::Filter& filter) override;
  net::Task<Result<>> hold_account(net::Loop& loop, queue::AccountHold hold) override;
  net::Task<Result<>> release_account(net::Loop& loop, AccountId account) override;
  [[nodiscard]] std::vector<queue::AccountHold> held_accounts() const override { return {}; }
  [[nodiscard]] bool account_held(AccountId /*account*/) const override { return false; }
  net::Task<Result<queue::Operated>> operate(net::Loop& loop, const queue::Filter& filter,
                                             queue::Operation operation) override;
  [[nodiscard]] bool withdrawn(QueueId /*id*/) const override { return false; }
  [[nodiscard]] std::string unavailable_because() const override { return "broken for the test"; }

 private:
  const int good_appends_;
};

/// `text` with \r\n where it has \n.
[[nodiscard]] std::string crlf(std::string_view text);

}  // namespace postern::intake::testing
