#include "queue/handed_in.h"

#include "queue/history.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace postern::queue {
namespace {

TEST(HandedIn, OnlyRecordsThatNameTheRecipientsAreUsed) {
  HandedIn out;
  ASSERT_TRUE(
      parse_handed_in("from 2001:db8::7, 51 octets, 2 recipients: a@x.example,\"b, c\"@y.example", out));
  EXPECT_EQ(out.client, "2001:db8::7");
  EXPECT_EQ(out.recipients, "a@x.example,\"b, c\"@y.example");
  for (const char* detail : {"", "from 192.0.2.7, 51 octets, 1 recipients",
                             "192.0.2.7 recipients: a@x.example", "from 192.0.2.7, 5 octets, 1 recipients: ",
                             "from 192.0.2.7, 5 octets, 1 recipients: \"a\tb\"@x.example"})
    EXPECT_FALSE(parse_handed_in(detail, out)) << detail;
}

TEST(HandedIn, ByTimeWithWhatBounced) {
  std::string pattern = (std::filesystem::temp_directory_path() / "postern-handed-XXXXXX").string();
  const std::string path = std::string(::mkdtemp(pattern.data())) + "/history.db";
  {
    const auto history = History::open(path);
    ASSERT_TRUE(history);
    const auto event = [&](int second, int id, const char* kind, const char* account, const char* detail) {
      (*history)->record(
          {TimePoint{std::chrono::seconds{second}}, QueueId{id}, kind, account, "", "", detail});
    };
    event(20, 2, "accepted", "a@example.org", "from 192.0.2.7, 5 octets, 1 recipients: b@x.example");
    event(10, 1, "accepted", "a@example.org", "from 192.0.2.7, 5 octets, 1 recipients: c@x.example");
    event(15, 3, "accepted", "a@example.org", "from 192.0.2.7, 5 octets, 1 recipients");
    event(30, 4, "refused on hold", "a@example.org", "from 192.0.2.8, 5 octets, 1 recipients: d@x.example");
    event(31, 1, "failed", "a@example.org", "mx.x.example [192.0.2.9]: 550 5.1.1 no such user");
    event(32, 2, "failed", "a@example.org", "mx.x.example [192.0.2.9]: 550 5.7.1 go away");
    event(33, 5, "reported", "", "delivery report");
  }
  std::string seen;
  const auto unusable = read_handed_in(path, [&](const HandedIn& m) {
    seen += m.client + ' ' + m.recipients + (m.bounced ? " bounced; " : "; ");
  });
  ASSERT_TRUE(unusable) << unusable.error().detail;
  EXPECT_EQ(*unusable, 1U);
  EXPECT_EQ(seen, "192.0.2.7 c@x.example bounced; 192.0.2.7 b@x.example; 192.0.2.8 d@x.example; ");
  std::filesystem::remove_all(std::filesystem::path(path).parent_path());
}

}  // namespace
}  // namespace postern::queue
