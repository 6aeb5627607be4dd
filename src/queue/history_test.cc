#include "queue/history.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace postern::queue {
namespace {

class HistoryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "postern-history-XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string dir_;
  const TimePoint now_ = SystemClock().now();
};

TEST_F(HistoryTest, ADamagedFileIsPutAside) {
  std::ofstream(dir_ + "/history.db") << std::string(4096, 'x');
  const Result<std::unique_ptr<History>> history = History::open(dir_ + "/history.db");
  ASSERT_TRUE(history) << history.error().detail;
  std::size_t aside = 0;
  for (const auto& file : std::filesystem::directory_iterator(dir_))
    aside += file.path().filename().string().starts_with("history.db.damaged-") ? 1 : 0;
  EXPECT_EQ(aside, 1U);
}

TEST_F(HistoryTest, TellsByMessageAndByAddress) {
  const Result<std::unique_ptr<History>> history = History::open(dir_ + "/history.db");
  ASSERT_TRUE(history);
  (*history)->record({now_, QueueId{5}, "accepted", "alice@example.org", "alice@example.org", "", "587"});
  (*history)->record(
      {now_, QueueId{5}, "delivered", "alice@example.org", "alice@example.org", "bob@example.net", "250"});
  (*history)->record({now_, QueueId{6}, "accepted", "carol@example.org", "", "", ""});
  EXPECT_EQ((*history)->of_message(QueueId{5})->size(), 2U);
  EXPECT_EQ((*history)->of_address("bob@example.net", 10)->at(0).kind, "delivered");
  EXPECT_EQ((*history)->of_address("alice@example.org", 1)->at(0).kind, "delivered") << "the newest";
  EXPECT_EQ((*history)->of_address("Bob@Example.NET", 10)->size(), 1U) << "letter case aside";
}

TEST_F(HistoryTest, ForgetsWhatIsOlderThanWanted) {
  const Result<std::unique_ptr<History>> history = History::open(dir_ + "/history.db");
  ASSERT_TRUE(history);
  for (std::int64_t i = 0; i < 2500; ++i)
    (*history)->record(
        {now_ - std::chrono::hours(48), QueueId{i}, "accepted", "old@example.org", "", "", ""});
  (*history)->record({now_, QueueId{9000}, "accepted", "new@example.org", "", "", ""});
  (*history)->flush();
  (*history)->keep(std::chrono::hours(24));
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!(*history)->of_address("old@example.org", 10)->empty() && std::chrono::steady_clock::now() < until)
    std::this_thread::yield();
  EXPECT_TRUE((*history)->of_address("old@example.org", 10)->empty());
  EXPECT_EQ((*history)->of_address("new@example.org", 10)->size(), 1U);
}

}  // namespace
}  // namespace postern::queue
