#include "admin/control_client.h"
#include "admin/control_server.h"
#include "queue/sqlite_queue.h"

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>

namespace postern::admin {
namespace {

namespace json = boost::json;

/// A control server on a loop of its own, over a real queue; ask() is called from the test's thread.
class ControlTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "postern-admin-XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
    queue_ = *queue::SqliteQueue::open(dir_ + "/queue.db", {}, clock_);
    history_ = *queue::History::open(dir_ + "/history.db");
    auto opened = ControlServer::open(loop_, path(), {*queue_, *history_, clock_, [this] { ++tries_; }});
    ASSERT_TRUE(opened) << opened.error().detail;
    server_ = *std::move(opened);
    thread_ = std::thread([this] { loop_.run(); });
  }
  void TearDown() override {
    loop_.post([this] { loop_.stop(); });  // also when the thread has not got there yet
    thread_.join();
    loop_.abandon_tasks();
    server_.reset();
    std::filesystem::remove_all(dir_);
  }
  std::string path() const { return dir_ + "/admin.sock"; }

  static net::Task<> do_put(net::Loop& loop, queue::Queue& queue, queue::NewMessage message) {
    const std::unique_ptr<queue::Queue::Draft> draft = queue.begin(loop, message.id);
    const Result<queue::Receipt> receipt = co_await draft->commit(std::move(message));
    EXPECT_TRUE(receipt);
    loop.stop();
  }
  std::string put(const std::string& recipient) {
    queue::NewMessage m;
    m.id = QueueId{make_id(clock_.now().time_since_epoch().count())};
    m.account_name = "alice@example.org";
    m.envelope.reverse_path = "alice@example.org";
    m.envelope.recipients.push_back({recipient, "example.net", {}, ""});
    m.accepted_at = clock_.now();
    const std::string id = to_string(m.id);
    net::Loop own;
    own.spawn(do_put(own, *queue_, std::move(m)));
    own.run();
    return id;
  }
  Result<json::value> operate(const std::string& operation, const json::object& filter) {
    return ask(path(), {{"verb", "queue.operate"}, {"operation", operation}, {"filter", filter}});
  }

  std::string dir_;
  SystemClock clock_;
  net::Loop loop_;
  std::unique_ptr<queue::SqliteQueue> queue_;
  std::unique_ptr<queue::History> history_;
  std::unique_ptr<ControlServer> server_;
  std::thread thread_;
  std::atomic<int> tries_{0};
};

TEST_F(ControlTest, OnlyTheOwnerMayOpenTheSocket) {
  struct stat info {};
  ASSERT_EQ(::stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(ControlTest, ListsAndOperates) {
  const std::string id = put("bob@example.net");
  put("carol@example.net");
  const Result<json::value> all = ask(path(), {{"verb", "queue.list"}});
  ASSERT_TRUE(all) << all.error().detail;
  ASSERT_EQ(all->as_array().size(), 2U);
  EXPECT_EQ(all->as_array()[0].at("id").as_string(), id);

  const Result<json::value> held = operate("hold", {{"recipient", "bob@example.net"}});
  ASSERT_TRUE(held) << held.error().detail;
  EXPECT_EQ(held->at("messages").as_int64(), 1);
  EXPECT_EQ(tries_.load(), 1);
  const Result<json::value> one = ask(path(), {{"verb", "queue.list"}, {"filter", {{"id", id}}}});
  ASSERT_TRUE(one);
  EXPECT_EQ(one->as_array()[0].at("recipients").as_array()[0].at("state").as_string(), "held");

  ASSERT_TRUE(operate("rm", {{"id", id}}));
  const Result<json::value> gone = ask(path(), {{"verb", "queue.list"}, {"filter", {{"id", id}}}});
  ASSERT_TRUE(gone);
  EXPECT_TRUE(gone->as_array().empty());

  const Result<json::value> told = ask(path(), {{"verb", "trace"}, {"what", id}});
  ASSERT_TRUE(told) << told.error().detail;
  ASSERT_EQ(told->as_array().size(), 2U);
  EXPECT_EQ(told->as_array()[0].at("event").as_string(), "held");
  EXPECT_EQ(told->as_array()[1].at("event").as_string(), "removed");
  EXPECT_TRUE(ask(path(), {{"verb", "trace"}, {"what", "BOB@example.net"}})) << "by the recipient as well";
}

TEST_F(ControlTest, TracesARecipientWhoseMailWasNotTriedYet) {
  const std::string id = put("dora@example.net");
  history_->record({clock_.now(), QueueId{*parse_id_text(id)}, "accepted", "alice@example.org",
                    "alice@example.org", "", "x"});
  const Result<json::value> found = ask(path(), {{"verb", "trace"}, {"what", "Dora@example.net"}});
  ASSERT_TRUE(found) << found.error().detail;
  ASSERT_EQ(found->as_array().size(), 1U);
  EXPECT_EQ(found->as_array()[0].at("id").as_string(), id);
}

TEST_F(ControlTest, TracesWithWhatHasNotReachedTheDiskYet) {
  history_->record({clock_.now(), QueueId{5}, "accepted", "alice@example.org", "alice@example.org", "", "x"});
  const Result<json::value> found = ask(path(), {{"verb", "trace"}, {"what", "alice@example.org"}});
  ASSERT_TRUE(found) << found.error().detail;
  EXPECT_EQ(found->as_array().size(), 1U);
  const Result<json::value> none = ask(path(), {{"verb", "trace"}, {"what", "nobody@example.org"}});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error(), (Error{Errc::NotFound, "nothing is known of nobody@example.org"}));
}

TEST_F(ControlTest, WhatIsNotUnderstoodIsNamed) {
  const json::object kWrong[] = {
      {},
      {{"verb", "queue.purge"}},
      {{"verb", "queue.operate"}, {"operation", "purge"}},
      {{"verb", "queue.list"}, {"filter", {{"sendr", "x"}}}},
      {{"verb", "trace"}},
  };
  for (const json::object& wrong : kWrong) {
    const Result<json::value> answer = ask(path(), wrong);
    ASSERT_FALSE(answer) << json::serialize(wrong);
    EXPECT_EQ(answer.error().code, Errc::Malformed) << answer.error().detail;
  }
}

TEST_F(ControlTest, WithoutAServerTheClientSaysSo) {
  const Result<json::value> nobody = ask(dir_ + "/other.sock", {{"verb", "queue.list"}});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code, Errc::Closed);
}

TEST(ControlPath, MayBeLongerThanASocketAddress) {
  std::string pattern = (std::filesystem::temp_directory_path() / "postern-admin-XXXXXX").string();
  const std::string root = ::mkdtemp(pattern.data());
  const std::string deep = root + "/" + std::string(120, 'd');
  std::filesystem::create_directory(deep);
  const Result<json::value> nobody = ask(deep + "/admin.sock", {});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code, Errc::Closed) << nobody.error().detail;
  net::Loop loop;
  EXPECT_TRUE(net::Listener::open_unix(loop, deep + "/admin.sock", 0600));
  EXPECT_TRUE(std::filesystem::exists(deep + "/admin.sock"));
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace postern::admin
