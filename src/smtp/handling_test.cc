#include "smtp/handling.h"

#include <gtest/gtest.h>

namespace postern::smtp {
namespace {

TEST(Handling, WhatIsReadIsWrittenTheSameWay) {
  for (const char* text : {"", "BY=60;R", "BY=-5;N", "BY=120;NT", "HOLDFOR=999999999",
                           "HOLDUNTIL=2027-01-31T23:59:59Z", "MT-PRIORITY=-9", "MT-PRIORITY=0", "REQUIRETLS",
                           "BY=999999999;RT HOLDFOR=1 MT-PRIORITY=9 REQUIRETLS"}) {
    const Result<Handling> handling = parse_handling(text);
    ASSERT_TRUE(handling) << text;
    EXPECT_EQ(to_params(*handling), text);
    EXPECT_EQ(handling->empty(), std::string_view(text).empty());
  }
}

TEST(Handling, WhatBreaksTheGrammarIsRefused) {
  for (const char* text : {"BY=60",
                           "BY=;R",
                           "BY=0;R",
                           "BY=-1;R",
                           "BY=1234567890;N",
                           "BY=60;X",
                           "BY=60;RX",
                           "BY=60;RTT",
                           "BY=+;N",
                           "BY",
                           "HOLDFOR=0",
                           "HOLDFOR=01",
                           "HOLDFOR=-1",
                           "HOLDFOR",
                           "HOLDFOR=1 HOLDUNTIL=2027-01-31T23:59:59Z",
                           "HOLDUNTIL=2027-02-30T00:00:00Z",
                           "HOLDUNTIL=2027-01-31T24:00:00Z",
                           "HOLDUNTIL=2027-01-31T23:59:59+01:00",
                           "HOLDUNTIL=2027-01-31 23:59:59Z",
                           "HOLDUNTIL=2027-01-31T23:59:59.Z",
                           "MT-PRIORITY=10",
                           "MT-PRIORITY=-0",
                           "MT-PRIORITY=+1",
                           "MT-PRIORITY=",
                           "REQUIRETLS=1",
                           "FOO=1"}) {
    EXPECT_FALSE(parse_handling(text)) << text;
  }
}

TEST(Rfc4865, AHoldEndsWhenItSays) {
  const TimePoint accepted{std::chrono::milliseconds{1'700'000'000'000}};
  EXPECT_EQ(end_of(*parse_handling("HOLDFOR=60")->hold, accepted), accepted + std::chrono::seconds{60});
  EXPECT_EQ(end_of(*parse_handling("HOLDUNTIL=2023-11-14T22:13:21Z")->hold, accepted),
            accepted + std::chrono::seconds{1});
  EXPECT_EQ(end_of(*parse_handling("holduntil=2023-11-14t22:13:20.001z")->hold, accepted),
            accepted + std::chrono::seconds{1})
      << "never early";
}

TEST(Rfc2852, TheSignOfATimeCounts) {
  EXPECT_EQ(parse_handling("BY=+7;n")->by->within, std::chrono::seconds{7});
  EXPECT_EQ(parse_handling("BY=-7;Nt")->by->within, std::chrono::seconds{-7});
}

}  // namespace
}  // namespace postern::smtp
