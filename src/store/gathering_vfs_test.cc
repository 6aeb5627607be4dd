#include "store/gathering_vfs.h"

#include "store/sqlite.h"
#include "store/testing/power_cut_vfs.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace postern::store {
namespace {

/// Every way a commit can end, on a disk that loses what was not synced.
class GatheringVfsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        ::testing::TempDir() + "gathering-" + ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  [[nodiscard]] std::string path() const { return directory_ + "/some.db"; }

  /// Commits rows until the power goes; how many are promised.
  int insert_rows(const char* vfs, int most) {
    Result<Database> database = Database::open(path(), Database::Sync::Full, vfs);
    if (!database || !database->execute("CREATE TABLE IF NOT EXISTS t(n INTEGER PRIMARY KEY, body)"))
      return 0;
    int promised = 0;
    for (int n = 0; n < most; ++n) {
      Result<Transaction> transaction = Transaction::begin(*database);
      if (!transaction) break;
      Result<Statement> insert = database->prepare("INSERT INTO t VALUES(?,?)");
      if (!insert || !insert->bind(std::int64_t{n}, std::string(9000, 'x')).run()) break;
      if (!transaction->commit()) break;
      ++promised;
    }
    return promised;
  }

  std::string directory_;
};

TEST_F(GatheringVfsTest, WhatWasCommittedIsThereAfterThePowerWent) {
  for (std::uint64_t operations = 5; operations < 400; operations += 7) {
    SCOPED_TRACE(operations);
    SetUp();
    testing::PowerCutDisk disk(operations);
    int promised = 0;
    testing::PowerCutVfs cut(directory_, disk);
    {
      const GatheringVfs gathering(cut.name());
      disk.cut_after(operations);
      promised = insert_rows(gathering.name(), 60);
    }
    cut.power_on();
    Result<Database> database = Database::open(path(), Database::Sync::Full);
    ASSERT_TRUE(database) << database.error().detail;
    if (promised == 0) continue;
    Result<Statement> count = database->prepare("SELECT count(*) FROM t WHERE length(body)=9000");
    ASSERT_TRUE(count) << count.error().detail;
    ASSERT_TRUE(count->step());
    EXPECT_GE(count->integer(0), promised);
  }
}

TEST_F(GatheringVfsTest, OtherConnectionsReadWhatWasCommitted) {
  const GatheringVfs gathering(nullptr);
  ASSERT_EQ(insert_rows(gathering.name(), 1), 1);
  Result<Database> writer = Database::open(path(), Database::Sync::Full, gathering.name());
  Result<Database> reader = Database::open(path(), Database::Sync::Full);
  ASSERT_TRUE(writer);
  ASSERT_TRUE(reader);
  Result<Statement> insert = writer->prepare("INSERT INTO t VALUES(?,?)");
  Result<Statement> read = reader->prepare("SELECT body FROM t WHERE n=?");
  for (int n = 1; n < 3000; ++n) {  // past several checkpoints
    const std::string body(static_cast<std::size_t>(n % 9000), static_cast<char>('a' + n % 26));
    ASSERT_TRUE(insert->bind(std::int64_t{n}, body).run());
    ASSERT_TRUE(read->bind(std::int64_t{n}).step());
    ASSERT_EQ(read->text(0), body);
    read->reset();
  }
  Result<Statement> check = reader->prepare("PRAGMA integrity_check");
  ASSERT_TRUE(check->step());
  EXPECT_EQ(check->text(0), "ok");
}

// SQLite looks at what a write and a sync say, but not at everything else that it calls during a checkpoint.
TEST_F(GatheringVfsTest, ACheckpointThatMeetsAFullDiskLosesNothing) {
  for (std::uint64_t first = 0; first < 12; ++first) {
    SCOPED_TRACE(first);
    SetUp();
    testing::PowerCutDisk disk(first);
    testing::PowerCutVfs vfs(directory_, disk);
    const GatheringVfs gathering(vfs.name());
    ASSERT_EQ(insert_rows(gathering.name(), 5), 5);  // a few pages: less than is gathered
    {
      Result<Database> database = Database::open(path(), Database::Sync::Full, gathering.name());
      ASSERT_TRUE(database);
      Result<Statement> insert = database->prepare("INSERT INTO t VALUES(?,?)");
      for (int n = 100; n < 103; ++n)
        ASSERT_TRUE(insert->bind(std::int64_t{n}, std::string(9000, 'y')).run());
      disk.fail(
          {.first = disk.operations() + first, .count = 1, .verdict = testing::PowerCutDisk::Verdict::Full});
      static_cast<void>(database->execute("PRAGMA wal_checkpoint(TRUNCATE)"));
      disk.fail({});
      ASSERT_TRUE(insert->bind(std::int64_t{200}, std::string(9000, 'z')).run());
    }
    Result<Database> database = Database::open(path(), Database::Sync::Full);
    ASSERT_TRUE(database);
    Result<Statement> count = database->prepare("SELECT count(*) FROM t WHERE length(body)=9000");
    ASSERT_TRUE(count->step());
    EXPECT_EQ(count->integer(0), 9);
    Result<Statement> check = database->prepare("PRAGMA integrity_check");
    ASSERT_TRUE(check->step());
    EXPECT_EQ(check->text(0), "ok");
  }
}

TEST_F(GatheringVfsTest, AWriteThatFailsFailsTheCommitAndTheNextOneWorks) {
  testing::PowerCutDisk disk(1);
  testing::PowerCutVfs vfs(directory_, disk);
  const GatheringVfs gathering(vfs.name());
  ASSERT_EQ(insert_rows(gathering.name(), 3), 3);
  Result<Database> database = Database::open(path(), Database::Sync::Full, gathering.name());
  ASSERT_TRUE(database);
  const std::string large(200'000, 'y');  // more than is gathered
  int failed = 0;
  for (int n = 100; n < 140; ++n) {
    disk.fail({.first = static_cast<std::uint64_t>(n % 4),
               .count = 3,
               .verdict = testing::PowerCutDisk::Verdict::Full});
    Result<Statement> insert = database->prepare("INSERT INTO t VALUES(?,?)");
    ASSERT_TRUE(insert);
    failed += insert->bind(std::int64_t{n}, large).run() ? 0 : 1;
    disk.fail({});
    insert->reset();
    ASSERT_TRUE(insert->bind(std::int64_t{n + 1000}, large).run()) << n;
  }
  EXPECT_GT(failed, 0);
  Result<Statement> count = database->prepare("SELECT count(*) FROM t WHERE n>=1100 AND length(body)=200000");
  ASSERT_TRUE(count->step());
  EXPECT_EQ(count->integer(0), 40);
  Result<Statement> check = database->prepare("PRAGMA integrity_check");
  ASSERT_TRUE(check->step());
  EXPECT_EQ(check->text(0), "ok");
}

}  // namespace
}  // namespace postern::store
