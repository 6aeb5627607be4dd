#include "probe/recognise.h"

#include <gtest/gtest.h>

namespace postern::probe {
namespace {

TEST(Recognise, NamesWhoSpeaksFirst) {
  const std::pair<std::string, Protocol> cases[] = {
      {"220 mail.example.org ESMTP\r\n", Protocol::Smtp},
      {"220-mail\r\n220 x\r\n", Protocol::Smtp},
      {"554 no\r\n", Protocol::Smtp},
      {"220 mail LMTP ready\r\n", Protocol::Lmtp},
      {std::string("\x15\x03\x03\x00\x02", 5), Protocol::Tls},
      {"HTTP/1.1 400 Bad Request\r\n", Protocol::Http},
      {"<html>", Protocol::Http},
      {"<!doctype html>", Protocol::Http},
      {"SSH-2.0-OpenSSH_9.2\r\n", Protocol::Ssh},
      {"* OK [CAPABILITY IMAP4rev1] ready", Protocol::Imap},
      {"+OK ready", Protocol::Pop3},
      {"\"IMPLEMENTATION\" \"Dovecot\"", Protocol::ManageSieve},
      {"2200 x", Protocol::Unknown},
      {"hello", Protocol::Unknown},
      {"", Protocol::None},
  };
  for (const auto& [octets, protocol] : cases) EXPECT_EQ(recognise(octets), protocol) << octets;
}

TEST(Recognise, SeesOverwrittenBanners) {
  EXPECT_TRUE(banner_is_masked("*************************0*2*****"));
  EXPECT_FALSE(banner_is_masked("mail.example.org ESMTP ***"));
  EXPECT_FALSE(banner_is_masked(""));
}

TEST(Ehlo, KeywordsMechanismsAndName) {
  EhloSeen seen;
  read_ehlo(
      {"mail.example.org greets you", "SIZE 1000", "auth PLAIN LOGIN", "AUTH=LOGIN XOAUTH2", "starttls"},
      seen);
  EXPECT_EQ(seen.greeting_name, "mail.example.org");
  EXPECT_EQ(seen.mechanisms, (std::vector<std::string>{"PLAIN", "LOGIN", "XOAUTH2"}));
  EXPECT_TRUE(seen.offers("STARTTLS"));
  EXPECT_TRUE(seen.offers("SIZE"));
  EXPECT_FALSE(seen.offers("SIZ"));
  EXPECT_FALSE(seen.masked);
}

TEST(Ehlo, OverwrittenKeywordsAreSeen) {
  for (const char* keyword : {"XXXXXXXA", "XXXXXXXX", "XXXX", "********"}) {
    EhloSeen seen;
    read_ehlo({"mail", keyword}, seen);
    EXPECT_TRUE(seen.masked) << keyword;
  }
  EhloSeen seen;
  read_ehlo({"mail", "XCLIENT NAME", "XFORWARD"}, seen);
  EXPECT_FALSE(seen.masked);
}

TEST(Printable, NothingReachesTheTerminalThatCouldConfuseIt) {
  EXPECT_EQ(printable("a\x1b[2Jb\r\n"), "a?[2Jb");
  EXPECT_EQ(printable(std::string(500, 'x'), 10), "xxxxxxxxxx");
}

}  // namespace
}  // namespace postern::probe
