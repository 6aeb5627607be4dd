#include "smtp/address_grammar.h"

#include <gtest/gtest.h>

namespace postern::smtp {
namespace {

TEST(Rfc5321Section412, ValidMailboxes) {
  for (const std::string text :
       {"a@b.c", "Some.User+Tag@Remote.Example", "\"quoted @ local\"@example.org", "\"a\\\"b\"@example.org",
        "x@[192.0.2.1]", "x@[IPv6:2001:db8::1]", "!#$%&'*+-/=?^_`{|}~@example.org", "user%host@example.org",
        "a@xn--mnchen-3ya.example", "\xe7\x94\xa8\xe6\x88\xb7@\xe4\xbe\x8b\xe3\x81\x88.jp"}) {
    const Result<Mailbox> box = parse_mailbox(text);
    ASSERT_TRUE(box) << text;
    EXPECT_EQ(box->text(), text);
  }
  EXPECT_TRUE(parse_mailbox(std::string(64, 'a') + "@b.c"));
}

TEST(Rfc5321Section412, InvalidMailboxes) {
  for (const std::string& text : std::vector<std::string>{"",
                                                          "a",
                                                          "@b.c",
                                                          "a@",
                                                          "a b@c.d",
                                                          ".a@b.c",
                                                          "a.@b.c",
                                                          "a..b@c.d",
                                                          "a@b..c",
                                                          "a@.c",
                                                          "a@-b.c",
                                                          "a@b-.c",
                                                          "a@ex_ample.com",
                                                          "a@b.c.",
                                                          "\"a@b.c",
                                                          "a@[300.1.1.1]",
                                                          "a@[IPv6:zz]",
                                                          "a@[tag:x]",
                                                          "a@b c",
                                                          "a@b.c>",
                                                          "\xff@b.c",
                                                          "a\x01@b.c",
                                                          "\"a\x01\"@b.c",
                                                          std::string("a\0@b.c", 6),
                                                          std::string(65, 'a') + "@b.c",
                                                          "a@" + std::string(64, 'b') + ".c"}) {
    EXPECT_FALSE(parse_mailbox(text)) << text;
  }
}

TEST(Rfc5321Section4113, ASourceRouteIsReadAndDropped) {
  std::string_view rest = "<@x.example,@y.example:bob@remote.example> SIZE=1";
  const Result<Mailbox> box = take_path(rest);
  ASSERT_TRUE(box);
  EXPECT_EQ(box->text(), "bob@remote.example");
  EXPECT_EQ(rest, " SIZE=1");
}

TEST(Rfc5321Section45313, PathsUpTo256Octets) {
  const std::string domain = std::string(60, 'd') + "." + std::string(60, 'd') + "." + std::string(60, 'd');
  const std::string fits =
      "<" + std::string(256 - 2 - 1 - domain.size() - 10, 'a').substr(0, 61) + "@" + domain + ".aaaaa>";
  std::string_view rest = fits;
  EXPECT_TRUE(take_path(rest)) << fits.size();
  const std::string longer = "<" + std::string(64, 'a') + "@" + domain + "." + std::string(60, 'e') + ">";
  rest = longer;
  EXPECT_FALSE(take_path(rest));
}

TEST(Mailbox, ComparesLocalPartsWithoutQuoting) {
  EXPECT_EQ(parse_mailbox("\"bob\"@a.b")->unquoted_local(), "bob");
  EXPECT_EQ(parse_mailbox("\"b\\ob\"@a.b")->unquoted_local(), "bob");
  EXPECT_FALSE(parse_mailbox("bob@sales")->fully_qualified());
  EXPECT_TRUE(parse_mailbox("bob@[192.0.2.1]")->fully_qualified());
}

}  // namespace
}  // namespace postern::smtp
