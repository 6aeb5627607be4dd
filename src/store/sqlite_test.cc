#include "store/sqlite.h"

#include "store/file_lock.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

namespace postern::store {
namespace {

class SqliteTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "postern-store-XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  [[nodiscard]] Result<Database> open() const { return Database::open(dir_ + "/a.db", Database::Sync::Full); }
  std::string dir_;
};

TEST_F(SqliteTest, KeepsEveryOctet) {
  Database db = *open();
  ASSERT_TRUE(db.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b)"));
  Statement insert = *db.prepare("INSERT INTO t VALUES(?,?)");
  const std::string odd("a\0b\xff", 4);
  ASSERT_TRUE(insert.bind(std::int64_t{7}, odd).run());
  EXPECT_EQ(insert.bind(std::int64_t{7}, odd).run().error().code, Errc::Denied) << "same key";
  Statement select = *db.prepare("SELECT b FROM t WHERE a=?");
  ASSERT_TRUE(*select.bind(std::int64_t{7}).step());
  EXPECT_EQ(select.text(0), odd);
}

TEST_F(SqliteTest, ATransactionThatIsNotCommittedNeverWas) {
  Database db = *open();
  ASSERT_TRUE(db.execute("CREATE TABLE t(a)"));
  {
    Result<Transaction> transaction = Transaction::begin(db);
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(db.execute("INSERT INTO t VALUES(1)"));
  }
  Statement count = *db.prepare("SELECT count(*) FROM t");
  ASSERT_TRUE(*count.step());
  EXPECT_EQ(count.integer(0), 0);
}

TEST_F(SqliteTest, MigratesForwardsAndRefusesTheFuture) {
  Database db = *open();
  ASSERT_TRUE(db.migrate({"CREATE TABLE a(x)"}));
  ASSERT_TRUE(db.migrate({"CREATE TABLE a(x)", "CREATE TABLE b(x)"}));
  ASSERT_TRUE(db.execute("INSERT INTO b VALUES(1)"));
  EXPECT_EQ(db.migrate({"CREATE TABLE a(x)"}).error().code, Errc::Unavailable);
}

TEST_F(SqliteTest, AFileThatIsNoDatabaseIsCorrupt) {
  ASSERT_TRUE(FileLock::take(dir_ + "/lock"));
  FILE* file = fopen((dir_ + "/a.db").c_str(), "w");
  fputs(std::string(5000, 'x').c_str(), file);
  fclose(file);
  EXPECT_EQ(open().error().code, Errc::Corrupt);
  EXPECT_EQ(Database::open(dir_ + "/none/a.db", Database::Sync::Full).error().code, Errc::Unavailable);
}

TEST_F(SqliteTest, ALockHasOneHolder) {
  const Result<FileLock> first = FileLock::take(dir_ + "/lock");
  ASSERT_TRUE(first);
  EXPECT_EQ(FileLock::take(dir_ + "/lock").error().code, Errc::Denied);
}

}  // namespace
}  // namespace postern::store
