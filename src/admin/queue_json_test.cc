#include "admin/queue_json.h"

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace postern::admin {
namespace {

TEST(QueueJson, AFilterComesBackAsItWent) {
  const queue::Filter filter{.id = QueueId{1234567},
                             .account = "alice@example.org",
                             .sender = "news@example.org",
                             .recipient = "bob@example.net",
                             .scheduled_after = TimePoint{std::chrono::milliseconds{5}},
                             .limit = 7};
  const Result<queue::Filter> back = filter_from_json(to_json(filter));
  ASSERT_TRUE(back) << back.error().detail;
  EXPECT_EQ(back->id, filter.id);
  EXPECT_EQ(back->account, filter.account);
  EXPECT_EQ(back->sender, filter.sender);
  EXPECT_EQ(back->recipient, filter.recipient);
  EXPECT_EQ(back->scheduled_after, filter.scheduled_after);
  EXPECT_EQ(back->limit, 7U);
}

TEST(QueueJson, AFilterThatIsNotUnderstoodIsRefused) {
  const boost::json::value kWrong[] = {
      nullptr,
      "all",
      boost::json::object{{"acount", "alice@example.org"}},
      boost::json::object{{"account", 7}},
      boost::json::object{{"limit", -1}},
      boost::json::object{{"limit", "many"}},
      boost::json::object{{"id", "no id"}},
  };
  for (const boost::json::value& wrong : kWrong) {
    EXPECT_FALSE(filter_from_json(wrong)) << boost::json::serialize(wrong);
  }
}

TEST(QueueJson, OctetsThatAreNoUtf8AreReplaced) {
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {"plain", "plain"},
      {"gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F"},
      {"\xF0\x9F\x93\xA7", "\xF0\x9F\x93\xA7"},
      {"a\xFF"
       "b",
       "a\xEF\xBF\xBD"
       "b"},
      {"cut \xC3", "cut \xEF\xBF\xBD"},
      {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},                  // overlong
      {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},  // surrogate
  };
  for (const auto& [octets, text] : kCases) EXPECT_EQ(utf8(octets), text);
}

TEST(QueueJson, EveryOperationHasAName) {
  using queue::Operation;
  for (const Operation o :
       {Operation::Retry, Operation::Hold, Operation::Release, Operation::Remove, Operation::Bounce})
    EXPECT_EQ(operation_named(name_of(o)).value(), o);
  EXPECT_FALSE(operation_named("purge"));
}

}  // namespace
}  // namespace postern::admin
