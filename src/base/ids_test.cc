#include "base/ids.h"

#include <gtest/gtest.h>

#include <set>

namespace postern {
namespace {

TEST(Ids, TextFormIsReversibleAndSortsByTime) {
  const std::int64_t early = make_id(1'700'000'000'000);
  const std::int64_t late = make_id(1'700'000'000'001 + 5000);
  EXPECT_LT(id_text(early), id_text(late));
  EXPECT_EQ(id_text(early).size(), 13U);
  EXPECT_EQ(parse_id_text(id_text(early)), early);
  EXPECT_EQ(parse_id_text("00000000000zz"), (31 << 5) | 31);
}

TEST(Ids, RefusesWhatIsNotAnId) {
  for (const char* bad : {"", "123", "00000000000000", "000000000000U", "ZZZZZZZZZZZZZ", "000000000000-"}) {
    EXPECT_FALSE(parse_id_text(bad)) << bad;
  }
}

TEST(Ids, AreUniqueWithinAMillisecond) {
  std::set<std::int64_t> seen;
  for (int i = 0; i < 100'000; ++i) seen.insert(make_id(1));
  EXPECT_EQ(seen.size(), 100'000U);
}

}  // namespace
}  // namespace postern
