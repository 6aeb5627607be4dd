#include "mail/address.h"

#include <gtest/gtest.h>

namespace postern::mail {
namespace {

struct Case {
  const char* value;
  std::vector<std::string> found;
};

TEST(Rfc5322Section34, FindsEveryMailbox) {
  for (const Case& c : {
           Case{"alice@example.org", {"alice@example.org"}},
           Case{"Alice A. Adams <alice@example.org>", {"alice@example.org"}},
           Case{"\"Adams, Alice\" <alice@example.org>, bob@example.net",
                {"alice@example.org", "bob@example.net"}},
           Case{"alice (her (nested) comment) @ example . org", {"alice@example.org"}},
           Case{"Team: alice@a.b, Bob <bob@c.d>;, carol@e.f", {"alice@a.b", "bob@c.d", "carol@e.f"}},
           Case{"undisclosed-recipients:;", {}},
           Case{"<@route.example:alice@example.org>", {"alice@example.org"}},
           Case{"\"a b\"@example.org", {"\"a b\"@example.org"}},
           Case{"\"alice\"@example.org", {"alice@example.org"}},
           Case{"=?utf-8?q?J=C3=BCrgen?= <j@example.org>", {"j@example.org"}},
           Case{"J\xc3\xbcrgen <j\xc3\xbc@ex\xc3\xa4mple.org>", {"j\xc3\xbc@ex\xc3\xa4mple.org"}},
           Case{"a@[192.0.2.1]", {"a@[192.0.2.1]"}},
           Case{",a@b.c,,d@e.f,", {"a@b.c", "d@e.f"}},
           Case{"\"bob@evil.example\" <alice@example.org>", {"alice@example.org"}},
           Case{"", {}},
       }) {
    const auto got = parse_address_list(c.value);
    ASSERT_TRUE(got) << c.value << ": " << got.error().detail;
    std::vector<std::string> texts;
    for (const Mailbox& box : *got) texts.push_back(box.text());
    EXPECT_EQ(texts, c.found) << c.value;
  }
}

TEST(Rfc5321Section24, OnlyDomainsCompareWithoutCase) {
  EXPECT_EQ((Mailbox{"Anna", "Example.ORG"}), (Mailbox{"Anna", "example.org"}));
  EXPECT_NE((Mailbox{"Anna", "example.org"}), (Mailbox{"anna", "example.org"}));
  EXPECT_NE((Mailbox{"Anna", "example.org"}), (Mailbox{"Anna", "example.net"}));
}

TEST(Rfc5322Section34, RefusesWhatIsNoAddress) {
  for (const std::string& bad :
       std::vector<std::string>{"alice", "alice@", "@example.org", "<<>>", "alice example.org",
                                "<alice@example.org", "alice@example.org>", "a@b.c d@e.f", "alice (comment",
                                "\"alice@example.org", "Team: a@b.c", "a b@c.d", "a@b..c", "A: B: c@d.e;;",
                                std::string(100, '(') + std::string(100, ')') + "a@b.c", "a@b@c"}) {
    EXPECT_FALSE(parse_address_list(bad)) << bad;
  }
}

}  // namespace
}  // namespace postern::mail
