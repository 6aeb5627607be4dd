#include "submission/replies.h"

#include <gtest/gtest.h>

namespace postern::submission {
namespace {

using Why = intake::Refusal::Why;

// What a client reads when intake does not take its message, to the octet.
TEST(RefusedMessages, HaveTheseReplies) {
  struct Case {
    intake::Refusal refusal;
    const char* reply;
  };
  for (const Case& c : {
           Case{{Why::BadContent, "the message has no From field"},
                "554 5.6.0 Message refused: the message has no From field\r\n"},
           Case{{Why::TooManyHops, "more than 100 Received fields: a mail loop"},
                "554 5.4.6 more than 100 Received fields: a mail loop\r\n"},
           Case{{Why::HeaderTooLarge, "the header is too large"},
                "552 5.3.4 Message refused: the header is too large\r\n"},
           Case{{Why::NotYourFrom, "alice@example.org may not send as bob@example.org"},
                "550 5.7.1 alice@example.org may not send as bob@example.org\r\n"},
           Case{{Why::NoSigningKey, "no DKIM key for bare.example"},
                "550 5.7.1 Not sent unsigned: no DKIM key for bare.example (postern domain add)\r\n"},
           Case{{Why::OverLimit, "message limit 2/1h reached: 2 used; frees at 2023-11-14 23:13:00 UTC"},
                "450 4.7.1 Sending limit: message limit 2/1h reached: 2 used; frees at 2023-11-14 23:13:00 "
                "UTC\r\n"},
           Case{{Why::Unwanted, "Gtube pattern"},
                "550 5.7.1 Message refused by the content scanner: Gtube pattern\r\n"},
           Case{{Why::NotScanned, "the content scanner does not answer"},
                "451 4.7.1 Try again later: the content scanner does not answer\r\n"},
           Case{{Why::StoreDown, "disk I/O error on /secret/path"},
                "452 4.3.1 Message not accepted now; try again later\r\n"},
           Case{{Why::Held, "a@example.org"},
                "450 4.7.1 Sending of a@example.org is on hold until its operator releases it\r\n"},
           Case{{Why::Suspended, "the account is suspended"}, "550 5.7.1 the account is suspended\r\n"},
       }) {
    EXPECT_EQ(replies::refused(c.refusal).wire(), c.reply);
  }
}

// RFC 6531 §3.7.1, RFC 5321 §4.2: what came from a client comes back as printable US-ASCII on one line.
TEST(RefusedMessages, DoNotEchoOctetsOfTheClient) {
  const std::string wire =
      replies::refused({Why::NotYourFrom, "may not send as \xc3\xbc\r\n250 ok\x07@example.org"}).wire();
  EXPECT_EQ(wire.find("\r\n"), wire.size() - 2);
  for (const char c : wire.substr(0, wire.size() - 2)) EXPECT_TRUE(c >= ' ' && c <= '~') << wire;
}

// RFC 6533 §3: a Cyrillic а in place of an a can be seen in the refusal.
TEST(RefusedMessages, ShowWhichLettersAreNotAscii) {
  for (const auto& [address, shown] : {
           std::pair{"\xd0\xb0lice@example.org", "\\x{430}lice@example.org"},
           {"\xe7\x94\xa8@example.org", "\\x{7528}@example.org"},
           {"\xf0\x9f\x98\x80@example.org", "\\x{1f600}@example.org"},
           {"\xff\xd0\xb0@example.org", "???@example.org"},
       }) {
    EXPECT_EQ(replies::not_your_sender("alice@example.org", address).lines.front(),
              std::string("alice@example.org may not send as ") + shown);
  }
}

}  // namespace
}  // namespace postern::submission
