#include "queue/sqlite_queue.h"
#include "store/sqlite.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>

namespace postern::queue {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;

/// A million with POSTERN_DEEP in the environment: it takes half a minute to write them.
const int kRecipients = std::getenv("POSTERN_DEEP") != nullptr ? 1'000'000 : 30'000;
constexpr int kPerMessage = 10;
constexpr int kDomains = 50'000;  // at most
constexpr int kAccounts = 40;

std::size_t resident() {
  std::size_t all = 0;
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> all >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Recipients over 50,000 domains, all due, written without the queue: one transaction.
void fill(const std::string& path, TimePoint due) {
  Result<store::Database> database = store::Database::open(path, store::Database::Sync::Normal);
  ASSERT_TRUE(database) << database.error().detail;
  const std::string when = std::to_string(due.time_since_epoch().count());
  const auto count = [](int last) {
    return "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i<" +
           std::to_string(last - 1) + ") ";
  };
  const auto number = [](int n) { return std::to_string(n); };
  const std::string account = "1+(i/" + number(kPerMessage) + ")%" + number(kAccounts);
  const std::array<std::string, 5> statements{
      "PRAGMA cache_size=-300000", "BEGIN",
      count(kRecipients / kPerMessage) +
          "INSERT INTO messages(id,account,account_name,session,reverse_path,ret,envid,smtputf8,eight_bit,"
          "signing_domain,signature,accepted_at,size,pieces,tail) SELECT i+1,1+i%" +
          number(kAccounts) +
          ",CAST('bulk@example.org' AS BLOB),1,CAST('bulk@example.org' AS BLOB),0,x'',0,0,x'',x''," + when +
          ",5,0,CAST('hello' AS BLOB) FROM n",
      count(kRecipients) +
          "INSERT INTO "
          "recipients(message,number,address,domain,notify,orcpt,state,attempts,next_attempt,status,"
          "text,account) SELECT 1+i/" +
          number(kPerMessage) + ",i%" + number(kPerMessage) + ",CAST('u'||i||'@d'||(i*7919%" +
          number(kDomains) + ")||'.example' AS BLOB),CAST('d'||(i*7919%" + number(kDomains) +
          ")||'.example' AS BLOB),0,x'',0,1," + when + ",x'',x''," + account + " FROM n",
      "COMMIT"};
  for (const std::string& sql : statements) {
    const Result<> done = database->execute(sql);
    ASSERT_TRUE(done) << done.error().detail;
  }
}

class DeepQueueTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "postern-deep-XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
    open();
    queue_.reset();
    fill(dir_ + "/queue.db", clock_.now());
  }
  void TearDown() override {
    queue_.reset();
    std::filesystem::remove_all(dir_);
  }
  void open() {
    Result<std::unique_ptr<SqliteQueue>> opened = SqliteQueue::open(dir_ + "/queue.db", {}, clock_);
    ASSERT_TRUE(opened) << opened.error().detail;
    queue_ = *std::move(opened);
  }
  net::Task<> do_lease(std::size_t max, std::vector<Lease>& out) {
    Result<std::vector<Lease>> leases = co_await queue_->lease_due(loop_, clock_.now(), max);
    EXPECT_TRUE(leases);
    if (leases) out = *std::move(leases);
    loop_.stop();
  }
  std::vector<Lease> lease(std::size_t max) {
    std::vector<Lease> out;
    loop_.spawn(do_lease(max, out));
    loop_.run();
    return out;
  }

  std::string dir_;
  FakeClock clock_;
  net::Loop loop_;
  std::unique_ptr<SqliteQueue> queue_;
};

TEST_F(DeepQueueTest, StartsInSecondsAndFindsTheNextInNoTime) {
  const std::size_t before = resident();
  const Clock::time_point begun = Clock::now();
  open();
  const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - begun);
  std::vector<microseconds> times;
  std::set<std::int64_t> accounts;
  for (int i = 0; i < 200; ++i) {
    const Clock::time_point asked = Clock::now();
    const std::vector<Lease> leases = lease(1);
    times.push_back(std::chrono::duration_cast<microseconds>(Clock::now() - asked));
    ASSERT_EQ(leases.size(), 1U);
    accounts.insert(leases[0].account.value);
  }
  std::ranges::sort(times);
  const microseconds median = times[times.size() / 2];
  const std::size_t grown = resident() - std::min(before, resident());
  std::cout << kRecipients << " recipients in " << kDomains << " domains: open " << took.count()
            << " ms, next due " << median.count() << " us (median), memory " << grown / 1024 / 1024
            << " MiB\n";
  EXPECT_LT(took, std::chrono::seconds(15));
  EXPECT_LT(median, milliseconds(1));
  EXPECT_LT(grown, std::size_t{300} * 1024 * 1024);
  EXPECT_EQ(accounts.size(), static_cast<std::size_t>(kAccounts)) << "every account had its turn";
}

}  // namespace
}  // namespace postern::queue
