#include "mail/date.h"
#include "mail/message_id.h"

#include <gtest/gtest.h>

#include <set>

namespace postern::mail {
namespace {

TEST(Rfc5322Section33, FormatsUtc) {
  EXPECT_EQ(format_date(TimePoint{std::chrono::milliseconds{0}}), "Thu, 1 Jan 1970 00:00:00 +0000");
  EXPECT_EQ(format_date(TimePoint{std::chrono::milliseconds{1'795'521'599'999}}),
            "Tue, 24 Nov 2026 11:59:59 +0000");
  EXPECT_TRUE(valid_date(format_date(TimePoint{std::chrono::milliseconds{951'782'400'000}})));
}

TEST(Rfc5322Section33, TellsGoodFromBad) {
  for (const char* good :
       {"Tue, 24 Nov 2026 12:00:00 +0100", "24 Nov 2026 12:00 -0000", "Tue, 4 Nov 26 1:00:00 EST",
        "Sat, 29 Feb 2020 23:59:60 GMT (leap)", "1 jan 1999 00:00:00 Z"}) {
    EXPECT_TRUE(valid_date(good)) << good;
  }
  for (const char* bad :
       {"", "now", "2026-11-24T12:00:00Z", "Tue, 32 Nov 2026 12:00:00 +0100",
        "Tue 24 Nov 2026 12:00:00 +0100", "Tue, 24 Foo 2026 12:00:00 +0100",
        "Tue, 24 Nov 2026 25:00:00 +0100", "Tue, 24 Nov 2026 12:00:00", "Tue, 24 Nov 2026 12:00:00 +0199",
        "Tue, 24 Nov 2026 12:60:00 +0100", "Xxx, 24 Nov 2026 12:00:00 +0100", "31 Jun 2026 12:00:00 +0000",
        "24 Nov 2026 12:00:00 +0000 (open"}) {
    EXPECT_FALSE(valid_date(bad)) << bad;
  }
}

TEST(Rfc5322Section364, MessageIds) {
  for (const char* good : {"<a@b>", "<20260101.x+y=z@host.example>", "<a@[192.0.2.1]>", "<\"q\"@b>"}) {
    EXPECT_TRUE(valid_message_id(good)) << good;
  }
  for (const char* bad : {"", "foo", "<foo>", "a@b", "<a@b", "<a b@c>", "<a@b> <c@d>", "<@b>", "<a@>",
                          "<.a@b>", "<a@@b>", "<a@b>x"}) {
    EXPECT_FALSE(valid_message_id(bad)) << bad;
  }
  std::set<std::string> made;
  for (int i = 0; i < 10'000; ++i) made.insert(make_message_id(QueueId{make_id(1)}, "mail.example.org"));
  EXPECT_EQ(made.size(), 10'000U);
  EXPECT_TRUE(valid_message_id(*made.begin())) << *made.begin();
}

}  // namespace
}  // namespace postern::mail
