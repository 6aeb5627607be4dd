#include "queue/history.h"
#include "queue/sqlite_queue.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

namespace postern::queue {
namespace {

class QueueTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "postern-queue-XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
    reopen();
  }
  void TearDown() override {
    queue_.reset();
    std::filesystem::remove_all(dir_);
  }
  void reopen() {
    queue_.reset();
    Result<std::unique_ptr<SqliteQueue>> opened = SqliteQueue::open(dir_ + "/queue.db", {}, clock_);
    ASSERT_TRUE(opened) << opened.error().detail;
    queue_ = *std::move(opened);
  }

  NewMessage message(std::vector<std::string> to) {
    NewMessage m;
    m.id = QueueId{make_id(clock_.now().time_since_epoch().count())};
    m.account = AccountId{7};
    m.account_name = "alice@example.org";
    m.envelope.reverse_path = "alice@example.org";
    for (std::string& address : to) m.envelope.recipients.push_back({address, "example.net", {}, ""});
    m.signing_domain = "example.org";
    m.accepted_at = clock_.now();
    return m;
  }

  net::Task<> do_put(NewMessage m, std::string content, std::size_t cut) {
    const QueueId id = m.id;
    std::unique_ptr<Queue::Draft> draft = queue_->begin(loop_, id);
    for (std::size_t at = 0; at < content.size(); at += cut) {
      const Result<> appended = co_await draft->append(std::string_view(content).substr(at, cut));
      EXPECT_TRUE(appended);
    }
    const Result<Receipt> receipt = co_await draft->commit(std::move(m));
    EXPECT_TRUE(receipt && receipt->id() == id);
    loop_.stop();
  }
  QueueId put(std::vector<std::string> to, const std::string& content = "hello\r\n", std::size_t cut = 1000) {
    return put(message(std::move(to)), content, cut);
  }
  QueueId put(NewMessage m, const std::string& content = "hello\r\n", std::size_t cut = 1000) {
    const QueueId id = m.id;
    loop_.spawn(do_put(std::move(m), content, cut));
    loop_.run();
    return id;
  }

  net::Task<> do_lease(std::size_t max, std::vector<Lease>& out) {
    Result<std::vector<Lease>> leases = co_await queue_->lease_due(loop_, clock_.now(), max);
    EXPECT_TRUE(leases);
    out = *std::move(leases);
    loop_.stop();
  }
  std::vector<Lease> lease(std::size_t max = 100) {
    std::vector<Lease> out;
    loop_.spawn(do_lease(max, out));
    loop_.run();
    return out;
  }

  net::Task<> do_read(QueueId id, std::string& out) {
    for (std::uint32_t piece = 0;; ++piece) {
      const Result<std::string> content = co_await queue_->read(loop_, id, piece);
      EXPECT_TRUE(content);
      if (!content || content->empty()) break;
      out += *content;
    }
    loop_.stop();
  }
  std::string read(QueueId id) {
    std::string out;
    loop_.spawn(do_read(id, out));
    loop_.run();
    return out;
  }

  net::Task<> do_settle(Lease lease, std::vector<RecipientOutcome> outcomes, std::string signature) {
    const Result<> settled = co_await queue_->settle(loop_, lease, std::move(outcomes), std::move(signature));
    EXPECT_TRUE(settled);
    loop_.stop();
  }
  void settle(const Lease& lease, std::vector<RecipientOutcome> outcomes, std::string signature = "") {
    loop_.spawn(do_settle(lease, std::move(outcomes), std::move(signature)));
    loop_.run();
  }

  net::Task<> do_operate(Filter filter, Operation operation, Operated& count) {
    const Result<Operated> done = co_await queue_->operate(loop_, filter, operation);
    EXPECT_TRUE(done);
    count = done.value_or(Operated{});
    loop_.stop();
  }
  Operated operate(Filter filter, Operation operation) {
    Operated count;
    loop_.spawn(do_operate(std::move(filter), operation, count));
    loop_.run();
    return count;
  }

  std::string dir_;
  FakeClock clock_;
  net::Loop loop_;
  std::unique_ptr<SqliteQueue> queue_;
};

RecipientOutcome outcome(std::uint32_t index, RecipientOutcome::Kind kind, TimePoint retry_at = {}) {
  return {index, kind, retry_at, "4.4.1", "no answer"};
}

TEST_F(QueueTest, WhatHasAReceiptIsThereAfterReopening) {
  const QueueId id = put({"bob@example.net", "Carol@Example.NET"});
  reopen();
  const std::vector<Lease> leases = lease();
  ASSERT_EQ(leases.size(), 1U);
  EXPECT_EQ(leases[0].id, id);
  EXPECT_EQ(leases[0].envelope.reverse_path, "alice@example.org");
  ASSERT_EQ(leases[0].envelope.recipients.size(), 2U);
  EXPECT_EQ(leases[0].envelope.recipients[1].address, "Carol@Example.NET");
  EXPECT_EQ(read(id), "hello\r\n");
}

TEST_F(QueueTest, WhatMailAskedForStaysWithTheMessage) {
  NewMessage m = message({"bob@example.net"});
  m.envelope.params.handling = *smtp::parse_handling("BY=60;RT MT-PRIORITY=-3 REQUIRETLS");
  m.binary = true;
  put(m);
  reopen();
  const std::vector<Lease> leases = lease();
  ASSERT_EQ(leases.size(), 1U);
  EXPECT_EQ(leases[0].envelope.params.handling, m.envelope.params.handling);
  EXPECT_TRUE(leases[0].binary);
}

TEST_F(QueueTest, Rfc4865Section42NothingGoesBeforeItsTime) {
  bool taken = false;
  queue_->set_on_accepted([&taken](const FreshMessage&) { taken = true; });
  NewMessage m = message({"bob@example.net"});
  m.envelope.params.handling = *smtp::parse_handling("HOLDFOR=60");
  const QueueId id = put(m);
  reopen();
  EXPECT_FALSE(taken);
  operate({.id = id}, Operation::Retry);
  operate({.id = id}, Operation::Hold);
  operate({.id = id}, Operation::Release);
  clock_.advance(std::chrono::seconds{59});
  EXPECT_TRUE(lease().empty());
  clock_.advance(std::chrono::seconds{1});
  EXPECT_EQ(lease().size(), 1U);
}

TEST_F(QueueTest, LargeContentComesBackWhole) {
  std::string content;
  for (int i = 0; content.size() < 500'000; ++i) content += "line " + std::to_string(i) + "\r\n";
  const QueueId odd = put({"b@example.net"}, content, 777);
  const QueueId exact = put({"b@example.net"}, content.substr(0, 131072), 131072);
  reopen();
  EXPECT_EQ(read(odd), content);
  EXPECT_EQ(read(exact), content.substr(0, 131072));
}

TEST_F(QueueTest, ALeasedMessageIsNobodyElses) {
  put({"b@example.net"});
  reopen();
  const std::vector<Lease> first = lease();
  ASSERT_EQ(first.size(), 1U);
  EXPECT_TRUE(lease().empty());
  queue_->release(first[0]);
  EXPECT_EQ(lease().size(), 1U);
}

TEST_F(QueueTest, RecipientsAreSettledOneByOne) {
  put({"a@x.example", "b@x.example", "c@x.example"});
  reopen();
  const Lease first = lease().at(0);
  settle(first,
         {outcome(0, RecipientOutcome::Kind::Delivered),
          outcome(1, RecipientOutcome::Kind::Retry, clock_.now() + std::chrono::hours(1)),
          outcome(2, RecipientOutcome::Kind::Failed)},
         "DKIM-Signature: x\r\n");
  EXPECT_TRUE(lease().empty()) << "not due yet";
  clock_.advance(std::chrono::hours(1));
  reopen();
  const Lease second = lease().at(0);
  EXPECT_EQ(second.index, std::vector<std::uint32_t>{1});
  EXPECT_EQ(second.attempts, std::vector<std::uint32_t>{1});
  EXPECT_EQ(second.signature, "DKIM-Signature: x\r\n");
  settle(second, {outcome(1, RecipientOutcome::Kind::Delivered)});
  reopen();
  EXPECT_TRUE(lease().empty());
}

TEST_F(QueueTest, PostponedCountsNoAttemptAndADelayReportIsRemembered) {
  put({"a@x.example", "b@x.example"});
  reopen();
  const Lease first = lease().at(0);
  EXPECT_EQ(first.delay_reported, (std::vector<bool>{false, false}));
  RecipientOutcome late = outcome(1, RecipientOutcome::Kind::Retry, clock_.now() + std::chrono::minutes(1));
  late.delay_reported = true;
  settle(first,
         {outcome(0, RecipientOutcome::Kind::Postponed, clock_.now() + std::chrono::minutes(1)), late});
  EXPECT_TRUE(lease().empty()) << "neither is due yet";
  clock_.advance(std::chrono::minutes(1));
  const Lease second = lease().at(0);
  EXPECT_EQ(second.attempts, (std::vector<std::uint32_t>{0, 1}));
  EXPECT_EQ(second.delay_reported, (std::vector<bool>{false, true}));
  // Once told is told.
  settle(second, {outcome(1, RecipientOutcome::Kind::Retry, clock_.now())});
  EXPECT_EQ(lease().at(0).delay_reported, (std::vector<bool>{false, true}));
}

TEST_F(QueueTest, FreshMessagesGoStraightToTheTaker) {
  std::mutex mutex;
  std::vector<FreshMessage> taken;
  queue_->set_on_accepted([&](FreshMessage fresh) {
    const std::lock_guard lock(mutex);
    taken.push_back(std::move(fresh));
  });
  const QueueId id = put({"b@example.net"});
  queue_.reset();  // joins the writer
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_EQ(taken[0].lease.id, id);
  EXPECT_EQ(taken[0].content, "hello\r\n");
}

TEST_F(QueueTest, OperatorsHoldReleaseAndRemove) {
  const QueueId id = put({"b@example.net"});
  put({"c@example.net"});
  EXPECT_EQ(operate({.id = id}, Operation::Hold).messages, 1U);
  const std::vector<Lease> leases = lease();
  ASSERT_EQ(leases.size(), 1U);
  EXPECT_NE(leases[0].id, id);
  const Operated released = operate({.account = "alice@example.org"}, Operation::Release);
  EXPECT_EQ(released.messages, 2U);
  EXPECT_EQ(released.under_way, 1U);
  EXPECT_EQ(lease().size(), 1U);
  reopen();
  EXPECT_EQ(operate({.recipient = "b@example.net"}, Operation::Remove).messages, 1U);
  EXPECT_EQ(lease().size(), 1U);
}

TEST_F(QueueTest, ALeasedMessageCanBeHeld) {
  const QueueId id = put({"b@example.net", "c@example.net"});
  const std::vector<Lease> leases = lease();
  ASSERT_EQ(leases.size(), 1U);
  EXPECT_EQ(operate({.id = id}, Operation::Hold).under_way, 1U);
  EXPECT_TRUE(queue_->withdrawn(id));
  // The attempt that had begun ends: one recipient got it, the other would be tried again at once.
  settle(leases[0], {{.index = 0, .kind = RecipientOutcome::Kind::Delivered},
                     {.index = 1, .kind = RecipientOutcome::Kind::Retry, .retry_at = clock_.now()}});
  EXPECT_FALSE(queue_->withdrawn(id));
  EXPECT_TRUE(lease().empty());
  reopen();
  EXPECT_TRUE(lease().empty());
  EXPECT_EQ(operate({.id = id}, Operation::Release).under_way, 0U);
  const std::vector<Lease> again = lease();
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].envelope.recipients.at(0).address, "c@example.net");
}

TEST_F(QueueTest, AReleaseTakesAHoldBackBeforeTheAttemptEnds) {
  const QueueId id = put({"b@example.net"});
  const std::vector<Lease> leases = lease();
  operate({.id = id}, Operation::Hold);
  operate({.id = id}, Operation::Release);
  EXPECT_FALSE(queue_->withdrawn(id));
  queue_->release(leases.at(0));
  EXPECT_EQ(lease().size(), 1U);
}

TEST_F(QueueTest, ALeasedMessageCanBeRemoved) {
  const QueueId id = put({"b@example.net"}, std::string(200'000, 'x'));
  const std::vector<Lease> leases = lease();
  EXPECT_EQ(operate({.id = id}, Operation::Remove).under_way, 1U);
  EXPECT_TRUE(queue_->withdrawn(id));
  EXPECT_EQ(read(id).size(), 200'000U) << "the attempt that has begun can be finished";
  operate({.id = id}, Operation::Hold);
  operate({.id = id}, Operation::Release);
  EXPECT_TRUE(queue_->withdrawn(id)) << "removed is removed";
  queue_->release(leases.at(0));
  put({"c@example.net"});  // a commit behind the removal
  EXPECT_EQ(operate({.id = id}, Operation::Hold).messages, 0U) << "it is gone";
}

TEST_F(QueueTest, ARemovalSurvivesTheProcess) {
  const QueueId id = put({"b@example.net"}, std::string(200'000, 'x'));
  ASSERT_EQ(lease().size(), 1U);
  operate({.id = id}, Operation::Remove);
  reopen();  // the lease never ended
  EXPECT_TRUE(lease().empty());
  EXPECT_EQ(operate({.id = id}, Operation::Hold).messages, 0U);
}

TEST_F(QueueTest, HistoryTellsByMessageAndByAddress) {
  const Result<std::unique_ptr<History>> history = History::open(dir_ + "/history.db");
  ASSERT_TRUE(history);
  (*history)->record(
      {clock_.now(), QueueId{5}, "accepted", "alice@example.org", "alice@example.org", "", "587"});
  (*history)->record({clock_.now(), QueueId{5}, "delivered", "alice@example.org", "alice@example.org",
                      "bob@example.net", "250"});
  (*history)->record({clock_.now(), QueueId{6}, "accepted", "carol@example.org", "", "", ""});
  EXPECT_EQ((*history)->of_message(QueueId{5})->size(), 2U);
  EXPECT_EQ((*history)->of_address("bob@example.net", 10)->at(0).kind, "delivered");
  EXPECT_EQ((*history)->of_address("alice@example.org", 1)->at(0).kind, "delivered") << "the newest";
}

}  // namespace
}  // namespace postern::queue
