#include "admin/queue_where.h"

#include <gtest/gtest.h>

namespace postern::admin {
namespace {

constexpr TimePoint kNow{std::chrono::milliseconds{1'700'000'000'000}};

TEST(QueueWhere, EveryKeyNarrows) {
  queue::Filter filter;
  const Result<> done =
      narrow(filter,
             "  site=GMail.com account=alice@example.org sender=b@example.org recipient=c@x.example "
             "reason=\"mailbox full\" state=held older=2h scheduled=yes ",
             kNow);
  ASSERT_TRUE(done) << done.error().detail;
  EXPECT_EQ(filter.site, "gmail.com");
  EXPECT_EQ(filter.account, "alice@example.org");
  EXPECT_EQ(filter.sender, "b@example.org");
  EXPECT_EQ(filter.recipient, "c@x.example");
  EXPECT_EQ(filter.reason, "mailbox full");
  EXPECT_EQ(filter.state, queue::RecipientState::Held);
  EXPECT_EQ(filter.accepted_before, kNow - std::chrono::hours(2));
  EXPECT_EQ(filter.scheduled_after, kNow);
}

TEST(QueueWhere, AnEqualsSignMayBePartOfAValue) {
  queue::Filter filter;
  ASSERT_TRUE(narrow(filter, "sender=bounce+a=x.example@example.org", kNow));
  EXPECT_EQ(filter.sender, "bounce+a=x.example@example.org");
}

TEST(QueueWhere, WhatIsNotUnderstoodIsRefusedByName) {
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {"gmail.com", "is not key=value"},
      {"sites=gmail.com", "no such key: sites"},
      {"site=", "has no value"},
      {"older=2", "is no time"},
      {"older=h", "is no time"},
      {"older=-1h", "is no time"},
      {"older=99999999999d", "is no time"},
      {"state=sent", "waiting or held"},
      {"scheduled=no", "can only be yes"},
      {"reason=\"full", "is not closed"},
      {"reason=\"full\"x", "a space belongs"},
      {"id=nonsense", "not a queue id"},
      {"a b=c", "is not key=value"},
      {"=x", "is not key=value"},
  };
  for (const auto& [where, why] : kCases) {
    queue::Filter filter;
    const Result<> done = narrow(filter, where, kNow);
    ASSERT_FALSE(done) << where;
    EXPECT_NE(done.error().detail.find(why), std::string::npos) << done.error().detail;
  }
}

}  // namespace
}  // namespace postern::admin
