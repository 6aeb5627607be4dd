#include "scan/spool.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

namespace postern::scan {
namespace {

class SpoolTest : public ::testing::Test {
 protected:
  SpoolTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "postern-spool-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~SpoolTest() override { std::filesystem::remove_all(path_); }
  std::string path_;
};

TEST_F(SpoolTest, GivesBackWhatItGot) {
  for (const std::size_t memory : {std::size_t{4}, std::size_t{100'000}}) {
    Spool spool(path_, memory);
    std::string all;
    for (int i = 0; i < 1000; ++i) {
      const std::string piece = std::to_string(i) + "\r\n";
      ASSERT_TRUE(spool.append(piece));
      all += piece;
    }
    EXPECT_EQ(spool.size(), all.size());
    std::string got;
    while (got.size() < all.size()) {
      const auto piece = spool.read(got.size(), 777);
      ASSERT_TRUE(piece && !piece->empty());
      got += *piece;
    }
    EXPECT_EQ(got, all);
    EXPECT_EQ(*spool.read(all.size(), 10), "");
  }
  EXPECT_TRUE(std::filesystem::is_empty(path_));  // no file has a name that a crash could leave
}

TEST_F(SpoolTest, SaysThatItCannotWrite) {
  Spool spool(path_ + "/missing", 4);
  EXPECT_TRUE(spool.append("1234"));
  EXPECT_EQ(spool.append("5").error().code, Errc::Unavailable);
}

}  // namespace
}  // namespace postern::scan
