#include "store/set_aside.h"

#include "store/sqlite.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace postern::store {
namespace {

class SetAsideTest : public testing::Test {
 protected:
  SetAsideTest() {
    std::string name = testing::TempDir() + "set_aside.XXXXXX";
    directory_ = ::mkdtemp(name.data());
    path_ = directory_ + "/cache.db";
  }
  ~SetAsideTest() override { std::filesystem::remove_all(directory_); }
  SetAsideTest(const SetAsideTest&) = delete;
  SetAsideTest& operator=(const SetAsideTest&) = delete;

  void write(const std::string& suffix, const std::string& text) { std::ofstream(path_ + suffix) << text; }
  [[nodiscard]] std::size_t set_aside_files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_))
      count += entry.path().string().find(".damaged-") != std::string::npos ? 1 : 0;
    return count;
  }
  static Result<Database> open(const std::string& path) {
    POSTERN_TRY(Database database, Database::open(path, Database::Sync::Normal));
    POSTERN_CHECK(database.migrate({"CREATE TABLE a(x)"}));
    return database;
  }

  std::string directory_;
  std::string path_;
};

TEST_F(SetAsideTest, ADamagedFileMakesRoomForAnother) {
  write("", "this is no database, whatever it was before");
  write("-wal", "nor is this its log");
  const Result<Database> opened = open_or_begin_again(path_, "a cache is empty", open);
  ASSERT_TRUE(opened) << opened.error().detail;
  EXPECT_GE(set_aside_files(), 1U);
  ASSERT_TRUE(open(path_)) << "the new one is whole";
}

TEST_F(SetAsideTest, AGoodFileStays) {
  ASSERT_TRUE(open_or_begin_again(path_, "", open));
  ASSERT_TRUE(open_or_begin_again(path_, "", open));
  EXPECT_EQ(set_aside_files(), 0U);
}

TEST_F(SetAsideTest, AFileOfANewerProgramIsNotDamaged) {
  {
    Result<Database> opened = open(path_);
    ASSERT_TRUE(opened);
    ASSERT_TRUE(opened->execute("PRAGMA user_version=7"));
  }
  EXPECT_EQ(open_or_begin_again(path_, "", open).error().code, Errc::Unavailable);
  EXPECT_EQ(set_aside_files(), 0U);
}

TEST_F(SetAsideTest, OtherErrorsMoveNothing) {
  const std::string missing = directory_ + "/no/cache.db";
  EXPECT_EQ(open_or_begin_again(missing, "", open).error().code, Errc::Unavailable);
}

}  // namespace
}  // namespace postern::store
