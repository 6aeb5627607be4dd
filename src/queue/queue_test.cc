#include "queue/sqlite_queue.h"
#include "store/sqlite.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>

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
    Result<std::unique_ptr<SqliteQueue>> opened = SqliteQueue::open(dir_ + "/queue.db", options_, clock_);
    ASSERT_TRUE(opened) << opened.error().detail;
    queue_ = *std::move(opened);
  }

  NewMessage message(std::vector<std::string> to) {
    NewMessage m;
    m.id = QueueId{make_id(clock_.now().time_since_epoch().count())};
    m.account = AccountId{7};
    m.account_name = "alice@example.org";
    m.envelope.reverse_path = "alice@example.org";
    for (std::string& address : to) {
      const std::string domain = address.substr(address.find('@') + 1);
      m.envelope.recipients.push_back({address, domain == "Example.NET" ? "example.net" : domain, {}, ""});
    }
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

  net::Task<> do_read_or_error(QueueId id, std::string& out) {
    const Result<std::string> content = co_await queue_->read(loop_, id, 0);
    out = content.value_or("");
    loop_.stop();
  }
  std::string read_or_error(QueueId id) {
    std::string out;
    loop_.spawn(do_read_or_error(id, out));
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

  net::Task<> do_hold(AccountHold hold, bool release, Result<>& out) {
    if (release) {
      out = co_await queue_->release_account(loop_, hold.account);
    } else {
      out = co_await queue_->hold_account(loop_, hold);
    }
    loop_.stop();
  }
  Result<> hold_account(std::int64_t account, bool release = false) {
    Result<> out = fail(Errc::Internal, "did not run");
    loop_.spawn(do_hold({AccountId{account}, "alice@example.org", clock_.now(), "a test"}, release, out));
    loop_.run();
    return out;
  }

  net::Task<> do_list(Filter filter, std::vector<Listed>& out) {
    Result<std::vector<Listed>> listed = co_await queue_->list(loop_, filter);
    EXPECT_TRUE(listed) << listed.error().detail;
    out = std::move(listed).value_or(std::vector<Listed>{});
    loop_.stop();
  }
  std::vector<Listed> list(Filter filter = {}) {
    std::vector<Listed> out;
    loop_.spawn(do_list(std::move(filter), out));
    loop_.run();
    return out;
  }
  net::Task<> do_group(Filter filter, GroupBy by, std::vector<Grouped>& out) {
    Result<std::vector<Grouped>> groups = co_await queue_->group(loop_, filter, by);
    EXPECT_TRUE(groups) << groups.error().detail;
    out = std::move(groups).value_or(std::vector<Grouped>{});
    loop_.stop();
  }
  std::vector<Grouped> group(Filter filter, GroupBy by) {
    std::vector<Grouped> out;
    loop_.spawn(do_group(std::move(filter), by, out));
    loop_.run();
    return out;
  }
  net::Task<> do_count(Filter filter, Operated& out) {
    Result<Operated> count = co_await queue_->count(loop_, filter);
    EXPECT_TRUE(count) << count.error().detail;
    out = std::move(count).value_or(Operated{});
    loop_.stop();
  }
  Operated count(Filter filter) {
    Operated out;
    loop_.spawn(do_count(std::move(filter), out));
    loop_.run();
    return out;
  }
  /// Changes the file behind the queue's back, while it is closed.
  void tamper(const std::string& sql) {
    queue_.reset();
    Result<store::Database> database = store::Database::open(dir_ + "/queue.db", store::Database::Sync::Full);
    ASSERT_TRUE(database);
    const Result<> done = database->execute(sql);
    ASSERT_TRUE(done) << done.error().detail;
    reopen();
  }

  std::string dir_;
  Options options_;
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
  ASSERT_NE(taken[0].content, nullptr);
  EXPECT_EQ(*taken[0].content, "hello\r\n");
}

TEST_F(QueueTest, ContentStaysInMemoryForTheFirstAttemptAsLongAsThereIsRoom) {
  options_.body_memory = std::size_t{300} * 1024;
  reopen();
  std::mutex mutex;
  std::condition_variable came;
  std::vector<FreshMessage> taken;
  queue_->set_on_accepted([&](FreshMessage fresh) {
    const std::lock_guard lock(mutex);
    taken.push_back(std::move(fresh));
    came.notify_all();
  });
  // Whether the message came with its content; it stays in `taken`.
  const auto comes_whole = [&](std::size_t size) {
    std::string content(size, 'x');
    for (std::size_t at = 0; at < size; at += 100) content[at] = static_cast<char>('a' + at % 23);
    const std::size_t before = taken.size();
    const QueueId id = put({"bob@example.net"}, content, 7000);
    EXPECT_EQ(read(id), content) << "the store has all of it, whatever is in memory";
    std::unique_lock lock(mutex);
    EXPECT_TRUE(came.wait_for(lock, std::chrono::seconds{30}, [&] { return taken.size() > before; }));
    if (taken.back().content) {
      EXPECT_EQ(*taken.back().content, content);
    }
    return taken.back().content != nullptr;
  };
  for (const std::size_t size : {std::size_t{64} * 1024, std::size_t{64} * 1024 + 1, std::size_t{200'000}})
    EXPECT_TRUE(comes_whole(size)) << size;
  EXPECT_FALSE(comes_whole(100'000)) << "the first three have taken the room";
  EXPECT_TRUE(comes_whole(50'000)) << "small ones always have some";
  taken.clear();
  EXPECT_TRUE(comes_whole(100'000)) << "and now there is room again";
  taken.clear();
  EXPECT_FALSE(comes_whole(300'000)) << "too large for any room";
  EXPECT_TRUE(comes_whole(250'000)) << "and it gave back what it had taken on its way";
  const std::vector<FreshMessage> outlives = std::exchange(taken, {});
  queue_.reset();
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

TEST_F(QueueTest, TheMailOfAThiefCanBeTold) {
  const auto from = [this](const char* client, std::uint32_t novelty) {
    NewMessage m = message({"b@example.net"});
    m.client = *net::IpAddress::parse(client);
    m.novelty = novelty;
    return put(std::move(m));
  };
  const QueueId near = from("203.0.113.255", 100);
  from("203.0.114.0", 100);
  from("203.0.113.0", 0);
  from("2001:db8::cb00:7105", 100);
  put({"b@example.net"});  // of the server itself
  Filter filter;
  filter.network = *net::Network::parse("203.0.113.0/24");
  filter.min_novelty = 50;
  EXPECT_EQ(operate(filter, Operation::Hold).messages, 1U);
  filter.accepted_since = clock_.now() + std::chrono::milliseconds(1);
  EXPECT_EQ(operate(filter, Operation::Remove).messages, 0U);
  filter.accepted_since = clock_.now();
  const std::vector<Listed> before = list(filter);
  ASSERT_EQ(before.size(), 1U);
  EXPECT_EQ(before[0].id, near);
  EXPECT_EQ(before[0].client, "203.0.113.255");
  EXPECT_EQ(before[0].novelty, 100U);
  EXPECT_EQ(operate(filter, Operation::Remove).messages, 1U);
  Filter all;
  EXPECT_EQ(list(all).size(), 4U);
  filter = {};
  filter.network = *net::Network::parse("::/0");
  EXPECT_EQ(operate(filter, Operation::Hold).messages, 1U) << "IPv4 is no part of IPv6";
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

// ---- how much there is

TEST_F(QueueTest, TheDepthIsWhatTheFileHolds) {
  const auto is = [this](std::int64_t waiting, std::int64_t held) {
    const SqliteQueue::Depth depth = queue_->depth();
    EXPECT_EQ(depth.waiting, waiting);
    EXPECT_EQ(depth.held, held);
    reopen();  // counts what is there
    EXPECT_EQ(queue_->depth().waiting, waiting);
    EXPECT_EQ(queue_->depth().held, held);
  };
  using Kind = RecipientOutcome::Kind;
  is(0, 0);
  const QueueId first = put({"a@x.example", "b@x.example", "c@y.example"});
  put({"d@x.example"});
  is(4, 0);
  settle(lease().at(0), {{.index = 0, .kind = Kind::Delivered},
                         {.index = 1, .kind = Kind::Retry, .retry_at = clock_.now()},
                         {.index = 2, .kind = Kind::Held}});
  is(2, 1);
  operate({.id = first, .recipient = "b@x.example"}, Operation::Hold);
  is(1, 2);
  operate({.id = first}, Operation::Release);
  is(3, 0);
  operate({.recipient = "c@y.example"}, Operation::Remove);
  is(2, 0);
  const std::vector<Lease> leases = lease();
  operate({.id = first}, Operation::Hold);
  settle(leases.at(0), {{.index = 1, .kind = Kind::Delivered}});  // it was held meanwhile
  is(1, 0);
  operate({.recipient = "d@x.example"}, Operation::Hold);
  operate({.recipient = "d@x.example"}, Operation::Bounce);
  is(1, 0);
}

TEST_F(QueueTest, TheOldestIsKnownByState) {
  const auto oldest_are = [this](std::optional<TimePoint> waiting, std::optional<TimePoint> held) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    SqliteQueue::Depth depth;
    do {
      clock_.advance(std::chrono::seconds(5));  // a look now and then
      depth = queue_->depth();
    } while ((depth.oldest_waiting != waiting || depth.oldest_held != held) &&
             std::chrono::steady_clock::now() < deadline);
    EXPECT_EQ(depth.oldest_waiting, waiting);
    EXPECT_EQ(depth.oldest_held, held);
  };
  oldest_are(std::nullopt, std::nullopt);
  const TimePoint then = clock_.now();
  put({"a@x.example"});
  clock_.advance(std::chrono::seconds(100));
  const TimePoint later = clock_.now();
  put({"b@x.example"});
  oldest_are(then, std::nullopt);
  operate({.recipient = "a@x.example"}, Operation::Hold);
  oldest_are(later, then);
  operate({.recipient = "a@x.example"}, Operation::Release);
  oldest_are(then, std::nullopt);
}

// ---- fair turns

TEST_F(QueueTest, ABacklogForOneSiteLeavesRoomForOthers) {
  options_.active_capacity = 40;
  reopen();
  for (int i = 0; i < 60; ++i) put({"b" + std::to_string(i) + "@slow.example"});
  clock_.advance(std::chrono::seconds(1));
  const QueueId other = put({"c@fast.example"});
  const std::vector<Lease> leases = lease(100);
  EXPECT_LE(leases.size(), 30U);
  EXPECT_TRUE(std::ranges::any_of(leases, [&](const Lease& l) { return l.id == other; }));
}

TEST_F(QueueTest, ASlowSiteKeepsNobodyElseInItsMessages) {
  options_.active_capacity = 8;
  reopen();
  for (int i = 0; i < 10; ++i) put({"b@slow.example", "c@fast" + std::to_string(i) + ".example"});
  std::size_t slow = 0;
  std::vector<Lease> leases = lease(100);
  for (const Lease& l : leases) {
    for (const smtp::Recipient& to : l.envelope.recipients) slow += to.domain == "slow.example" ? 1 : 0;
  }
  EXPECT_LE(slow, 4U);
  // As they end, the rest comes, each recipient once.
  std::map<std::string, int> seen;
  while (!leases.empty()) {
    for (const Lease& l : leases) {
      std::vector<RecipientOutcome> outcomes;
      for (std::size_t i = 0; i < l.index.size(); ++i) {
        ++seen[std::to_string(l.id.value) + l.envelope.recipients[i].address];
        outcomes.push_back(outcome(l.index[i], RecipientOutcome::Kind::Delivered));
      }
      settle(l, outcomes);
    }
    leases = lease(100);
  }
  EXPECT_EQ(seen.size(), 20U);
  EXPECT_TRUE(std::ranges::all_of(seen, [](const auto& entry) { return entry.second == 1; }));
  EXPECT_TRUE(list().empty());
}

TEST_F(QueueTest, WhoWaitsForMailHearsWhenThereIsSome) {
  std::atomic<int> heard{0};
  put({"b@example.net"});
  const std::vector<Lease> leases = lease();
  ASSERT_EQ(leases.size(), 1U);
  queue_->set_on_due([&] { ++heard; });
  EXPECT_TRUE(lease().empty());
  EXPECT_EQ(heard, 0);
  queue_->release(leases[0]);
  EXPECT_EQ(heard, 1);
}

TEST_F(QueueTest, ARecipientThatBecomesDueDuringAnAttemptIsNotForgotten) {
  put({"a@x.example", "b@x.example"});
  const Lease first = lease().at(0);
  settle(first, {outcome(0, RecipientOutcome::Kind::Retry, clock_.now() + std::chrono::hours(2)),
                 outcome(1, RecipientOutcome::Kind::Retry, clock_.now() + std::chrono::hours(1))});
  clock_.advance(std::chrono::hours(1));
  const Lease second = lease().at(0);
  EXPECT_EQ(second.index, std::vector<std::uint32_t>{1});
  clock_.advance(std::chrono::hours(1));
  EXPECT_TRUE(lease().empty()) << "the message is under way";
  settle(second, {outcome(1, RecipientOutcome::Kind::Delivered)});
  const std::vector<Lease> third = lease();
  ASSERT_EQ(third.size(), 1U);
  EXPECT_EQ(third[0].index, std::vector<std::uint32_t>{0});
}

// A look at a deep backlog goes on where the last one ended; what comes back before that is found as well.
TEST_F(QueueTest, WhatIsGivenBackBehindALookIsFoundAgain) {
  for (int i = 0; i < 20; ++i) {
    put({"b@x.example"});
    clock_.advance(std::chrono::milliseconds(10));
  }
  clock_.advance(std::chrono::hours(1));
  const std::vector<Lease> some = lease(8);
  ASSERT_EQ(some.size(), 8U);
  for (const Lease& one : some) queue_->release(one);
  EXPECT_EQ(lease().size(), 20U);
}

TEST_F(QueueTest, WhatWasNotTriedIsFoundAgain) {
  for (int i = 0; i < 20; ++i) put({"b@x.example"});
  clock_.advance(std::chrono::hours(1));
  const std::vector<Lease> some = lease(8);
  ASSERT_EQ(some.size(), 8U);
  ASSERT_TRUE(hold_account(7));
  for (const Lease& one : some) settle(one, {outcome(0, RecipientOutcome::Kind::Untried)});
  EXPECT_TRUE(lease().empty());
  ASSERT_TRUE(hold_account(7, true));
  EXPECT_EQ(lease().size(), 20U);
}

TEST_F(QueueTest, AVerbOnABacklogThatIsLookedThroughMeetsAllOfIt) {
  for (int i = 0; i < 20; ++i) put({"b@x.example"});
  clock_.advance(std::chrono::hours(1));
  const std::vector<Lease> some = lease(8);
  ASSERT_EQ(some.size(), 8U);
  EXPECT_EQ(operate({}, Operation::Bounce).recipients, 20U);
  for (const Lease& one : some) settle(one, {outcome(0, RecipientOutcome::Kind::Delivered)});
  const std::vector<Lease> rest = lease();
  EXPECT_EQ(rest.size(), 12U);
  for (const Lease& one : rest) EXPECT_TRUE(one.bounce.at(0));
}

// ---- accounts that are held

TEST_F(QueueTest, AHeldAccountsMailIsFrozenAndThawsWhole) {
  put({"b@example.net"});
  const std::vector<Lease> under_way = lease();
  ASSERT_EQ(under_way.size(), 1U);
  put({"c@example.net"});
  ASSERT_TRUE(hold_account(7));
  EXPECT_TRUE(queue_->withdrawn(under_way[0].id));
  put({"d@example.net"});
  EXPECT_TRUE(lease().empty());
  queue_->release(under_way[0]);
  EXPECT_TRUE(lease().empty());
  reopen();
  EXPECT_TRUE(lease().empty()) << "durable";
  ASSERT_EQ(queue_->held_accounts().size(), 1U);
  EXPECT_EQ(queue_->held_accounts()[0].reason, "a test");
  const std::vector<Listed> shown = list();
  ASSERT_EQ(shown.size(), 3U);
  EXPECT_TRUE(shown[0].account_held);
  EXPECT_EQ(shown[0].recipients[0].state, RecipientState::Held);
  EXPECT_EQ(list({.state = RecipientState::Held}).size(), 3U);
  ASSERT_TRUE(hold_account(7, true));
  EXPECT_EQ(lease().size(), 3U);
  EXPECT_TRUE(queue_->held_accounts().empty());
  EXPECT_EQ(hold_account(7, true).error().code, Errc::NotFound);
}

TEST_F(QueueTest, FreshMailOfAHeldAccountIsNotHandedOn) {
  std::atomic<int> taken{0};
  queue_->set_on_accepted([&](const FreshMessage&) { ++taken; });
  ASSERT_TRUE(hold_account(7));
  put({"b@example.net"});
  queue_.reset();  // joins the writer
  EXPECT_EQ(taken, 0);
}

// ---- filters

TEST_F(QueueTest, VerbsActOnTheRecipientsThatAreMeant) {
  put({"a@slow.example", "b@fast.example"});
  put({"c@fast.example"});
  EXPECT_EQ(count({.site = "slow.example"}).recipients, 1U);
  EXPECT_EQ(operate({.site = "slow.example"}, Operation::Hold).messages, 1U);
  std::size_t leased = 0;
  for (const Lease& l : lease()) leased += l.index.size();
  EXPECT_EQ(leased, 2U);
  EXPECT_EQ(list({.state = RecipientState::Held}).size(), 1U);
}

TEST_F(QueueTest, MailIsGroupedAndFiltered) {
  put({"a@slow.example", "b@fast.example"});
  clock_.advance(std::chrono::hours(2));
  put({"c@slow.example"});
  for (const Lease& l : lease()) {
    std::vector<RecipientOutcome> outcomes;
    for (const std::uint32_t i : l.index)
      outcomes.push_back({i, RecipientOutcome::Kind::Retry, clock_.now() + std::chrono::hours(1), "4.2.1",
                          i == 0 ? "450 Mailbox busy" : "451 later"});
    settle(l, outcomes);
  }
  const std::vector<Grouped> sites = group({}, GroupBy::Site);
  ASSERT_EQ(sites.size(), 2U);
  EXPECT_EQ(sites[0].key, "slow.example");
  EXPECT_EQ(sites[0].recipients, 2U);
  EXPECT_EQ(sites[0].messages, 2U);
  EXPECT_EQ(sites[0].oldest, clock_.now() - std::chrono::hours(2));
  const std::vector<Grouped> reasons = group({.site = "slow.example"}, GroupBy::Reason);
  ASSERT_EQ(reasons.size(), 1U);
  EXPECT_EQ(reasons[0].key, "4.2.1 450 Mailbox busy");
  EXPECT_EQ(group({}, GroupBy::Account).at(0).key, "alice@example.org");
  EXPECT_EQ(list({.reason = "mailbox BUSY"}).size(), 2U);
  EXPECT_EQ(list({.reason = "4.2.1"}).size(), 2U);
  EXPECT_EQ(list({.reason = "451"}).size(), 1U);
  EXPECT_EQ(list({.recipient = "B@FAST.example"}).size(), 1U);
  EXPECT_EQ(list({.accepted_before = clock_.now() - std::chrono::hours(1)}).size(), 1U);
}

TEST_F(QueueTest, WhatIsToBeReturnedIsLeasedAtOnceAndSaysSo) {
  const QueueId id = put({"a@x.example", "b@y.example"});
  operate({.id = id}, Operation::Hold);
  EXPECT_TRUE(lease().empty());
  EXPECT_EQ(operate({.id = id, .site = "y.example"}, Operation::Bounce).recipients, 1U);
  const std::vector<Lease> leases = lease();
  ASSERT_EQ(leases.size(), 1U);
  EXPECT_EQ(leases[0].index, std::vector<std::uint32_t>{1});
  EXPECT_EQ(leases[0].bounce, std::vector<bool>{true});
}

TEST_F(QueueTest, ARemovalInPartLetsTheAttemptGoOn) {
  const QueueId id = put({"a@x.example", "b@y.example"});
  const std::vector<Lease> leases = lease();
  EXPECT_EQ(operate({.recipient = "b@y.example"}, Operation::Remove).under_way, 1U);
  EXPECT_FALSE(queue_->withdrawn(id));
  settle(leases.at(0), {outcome(0, RecipientOutcome::Kind::Retry, clock_.now()),
                        outcome(1, RecipientOutcome::Kind::Retry, clock_.now())});
  const std::vector<Lease> again = lease();
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].index, std::vector<std::uint32_t>{0});
  put({"c@example.net"});  // a commit behind the removal
  ASSERT_EQ(list({.id = id}).size(), 1U);
  EXPECT_EQ(list({.id = id})[0].recipients.size(), 1U);
}

// ---- damage

TEST_F(QueueTest, ADamagedRecordIsSetAsideAndStays) {
  const std::array<std::string, 4> damages{
      "UPDATE messages SET ret=77 WHERE id=", "UPDATE messages SET tail=x'00' WHERE id=",
      "UPDATE recipients SET address=x'610d0a' WHERE message=", "DELETE FROM messages WHERE id="};
  for (const std::string& damage : damages) {
    const QueueId id = put({"b@example.net"});
    tamper(damage + std::to_string(id.value));
  }
  const QueueId sound = put({"c@example.net"});
  std::vector<QueueId> readable;
  for (const Lease& l : lease()) {
    if (!read_or_error(l.id).empty()) readable.push_back(l.id);
    queue_->release(l);
  }
  EXPECT_EQ(readable, std::vector<QueueId>{sound});
  std::vector<Lease> again = lease();
  ASSERT_EQ(again.size(), 1U) << "nobody stumbles over them again";
  EXPECT_EQ(again[0].id, sound);
  reopen();
  EXPECT_EQ(count({}).recipients, 4U) << "nothing is deleted (one has no message any more)";
}

TEST_F(QueueTest, AFileThatIsNoDatabaseIsNamed) {
  std::ofstream(dir_ + "/other.db") << std::string(4096, 'x');
  const auto opened = SqliteQueue::open(dir_ + "/other.db", options_, clock_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::Corrupt);
  EXPECT_NE(opened.error().detail.find(dir_ + "/other.db"), std::string::npos) << opened.error().detail;
}

}  // namespace
}  // namespace postern::queue
