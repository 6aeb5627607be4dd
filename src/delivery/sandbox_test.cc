#include "delivery/sandbox.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace postern::delivery {
namespace {

class SandboxTest : public testing::Test {
 protected:
  SandboxTest() {
    std::string name = testing::TempDir() + "sandboxXXXXXX";
    directory_ = ::mkdtemp(name.data());
  }
  ~SandboxTest() override { std::filesystem::remove_all(directory_); }

  static SandboxEntry entry(std::int64_t id) {
    return {.id = QueueId{id},
            .sender = "a@example.org",
            .recipients = {"b@example.net", "\"q\\\" \"@example.net"},
            .captured_at = TimePoint{std::chrono::milliseconds{1'700'000'000'123}},
            .size = 7};
  }

  std::string directory_;
};

TEST_F(SandboxTest, KeepsMessageAndEnvelope) {
  const Sandbox sandbox(directory_ + "/sandbox");
  const Result<> captured = sandbox.capture(entry(42), std::string_view("A: b\r\n\r\n\0", 9));
  ASSERT_TRUE(captured) << captured.error().detail;

  const Result<std::string> content = sandbox.read(QueueId{42});
  ASSERT_TRUE(content) << content.error().detail;
  EXPECT_EQ(*content, std::string("A: b\r\n\r\n\0", 9));
  const Result<SandboxEntry> found = sandbox.find(QueueId{42});
  ASSERT_TRUE(found) << found.error().detail;
  EXPECT_EQ(found->sender, "a@example.org");
  EXPECT_EQ(found->recipients, entry(42).recipients);
  EXPECT_EQ(found->captured_at, entry(42).captured_at);
}

TEST_F(SandboxTest, ListsOldestFirstAndOnlyWholeMessages) {
  const Sandbox sandbox(directory_);
  ASSERT_TRUE(sandbox.capture(entry(9), "x"));
  ASSERT_TRUE(sandbox.capture(entry(3), "y"));
  std::ofstream(directory_ + "/0000000000007.eml") << "no json beside it yet";
  const Result<std::vector<SandboxEntry>> all = sandbox.list();
  ASSERT_TRUE(all) << all.error().detail;
  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ((*all)[0].id, QueueId{3});
  EXPECT_EQ((*all)[1].id, QueueId{9});
}

TEST_F(SandboxTest, NamesWhatIsMissingOrDamaged) {
  const Sandbox sandbox(directory_ + "/none");
  const Result<std::vector<SandboxEntry>> empty = sandbox.list();
  ASSERT_TRUE(empty) << empty.error().detail;
  EXPECT_TRUE(empty->empty());
  const Result<std::string> missing = sandbox.read(QueueId{1});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::NotFound);

  std::ofstream(directory_ + "/" + to_string(QueueId{5}) + ".json") << "{\"id\":1}";
  const Result<SandboxEntry> damaged = Sandbox(directory_).find(QueueId{5});
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().code, Errc::Corrupt);
}

}  // namespace
}  // namespace postern::delivery
