#include "mail/header.h"

#include <gtest/gtest.h>

namespace postern::mail {
namespace {

constexpr std::string_view kHeader =
    "Received: from a\r\n\tby b\r\nFrom:  Alice\r\n <alice@example.org>  \r\nSubject:\r\nX-Odd : "
    "kept\r\nfrom: second\r\n";

TEST(Rfc5322Section22, KeepsEveryOctet) {
  const Result<Header> header = Header::parse(kHeader);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->octets(), kHeader);
  EXPECT_EQ(header->fields().size(), 5U);
  EXPECT_EQ(header->find("FROM")->value(), "Alice <alice@example.org>");
  EXPECT_EQ(header->count("From"), 2U);
  EXPECT_EQ(header->find("Subject")->value(), "");
  EXPECT_EQ(header->find("X-Odd")->value(), "kept");
  EXPECT_EQ(header->find("Nothing"), nullptr);
}

TEST(Rfc5322Section22, ChangesOnlyWhatIsAsked) {
  Header header = *Header::parse(kHeader);
  EXPECT_EQ(header.erase("subject"), 1U);
  header.prepend("Return-Path: <>\r\n");
  header.append("Date: now\r\n");
  EXPECT_EQ(header.octets(),
            "Return-Path: <>\r\nReceived: from a\r\n\tby b\r\nFrom:  Alice\r\n <alice@example.org>  "
            "\r\nX-Odd : kept\r\n"
            "from: second\r\nDate: now\r\n");
}

TEST(Rfc5322Section22, NamesTheLineThatIsNoField) {
  EXPECT_EQ(Header::parse("From: a\r\nnonsense\r\n").error().detail, "header line 2 is not a field");
  EXPECT_FALSE(Header::parse(" folded first\r\n"));
  EXPECT_FALSE(Header::parse(": no name\r\n"));
  EXPECT_FALSE(Header::parse("B\xc3\xa4r: x\r\n"));
  EXPECT_FALSE(Header::parse("From: a"));
  EXPECT_TRUE(Header::parse(""));
}

}  // namespace
}  // namespace postern::mail
