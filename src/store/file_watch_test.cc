#include "store/file_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace postern::store {
namespace {

class FileWatchTest : public testing::Test {
 protected:
  FileWatchTest() {
    std::string name = testing::TempDir() + "watchXXXXXX";
    directory_ = ::mkdtemp(name.data());
    path_ = directory_ + "/file";
    write("one");
  }
  ~FileWatchTest() override { std::filesystem::remove_all(directory_); }
  void write(const std::string& text) const { std::ofstream(path_) << text; }
  /// As if the last write had been `seconds` ago.
  void age(time_t seconds) const {
    const timespec then{::time(nullptr) - seconds, 5};
    const timespec times[2] = {then, then};
    ASSERT_EQ(::utimensat(AT_FDCWD, path_.c_str(), times, 0), 0);
  }
  std::string directory_;
  std::string path_;
};

TEST_F(FileWatchTest, AnOldStampProvesThatNothingWasWritten) {
  age(60);
  FileWatch watch(path_);
  EXPECT_TRUE(watch.may_have_changed()) << "the first look";
  EXPECT_FALSE(watch.may_have_changed());
  write("two");  // same size
  EXPECT_TRUE(watch.may_have_changed());
}

TEST_F(FileWatchTest, AFreshStampProvesNothing) {
  FileWatch watch(path_);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(watch.may_have_changed());
  age(60);
  EXPECT_TRUE(watch.may_have_changed()) << "another stamp";
  EXPECT_FALSE(watch.may_have_changed());
}

TEST_F(FileWatchTest, AnotherFileInItsPlaceAndNoneAreChanges) {
  age(60);
  FileWatch watch(path_);
  EXPECT_TRUE(watch.may_have_changed());
  EXPECT_FALSE(watch.may_have_changed());
  std::filesystem::rename(path_, path_ + ".old");
  EXPECT_TRUE(watch.may_have_changed());
  EXPECT_TRUE(watch.may_have_changed()) << "still none";
  write("one");
  age(60);
  EXPECT_TRUE(watch.may_have_changed());
  EXPECT_FALSE(watch.may_have_changed());
}

}  // namespace
}  // namespace postern::store
