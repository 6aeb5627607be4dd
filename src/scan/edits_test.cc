#include "scan/edits.h"

#include <gtest/gtest.h>

namespace postern::scan {
namespace {

using Kind = Edit::Kind;

constexpr const char* kHeader =
    "Received: by us\r\nFrom: a@example.org\r\nX-Old: 1\r\nSubject: s\r\nX-Old: 2\r\n";

TEST(ScannersEdits, ChangeTheHeader) {
  struct Case {
    Edit edit;
    const char* header;
  };
  for (
      const Case& c : {
          Case{
              {Kind::Add, 0, "X-New", "v"},
              "Received: by us\r\nFrom: a@example.org\r\nX-Old: 1\r\nSubject: s\r\nX-Old: 2\r\nX-New: v\r\n"},
          Case{
              {Kind::Insert, 0, "X-New", "v"},
              "X-New: v\r\nReceived: by us\r\nFrom: a@example.org\r\nX-Old: 1\r\nSubject: s\r\nX-Old: 2\r\n"},
          Case{
              {Kind::Insert, 1, "X-New", "v"},
              "Received: by us\r\nX-New: v\r\nFrom: a@example.org\r\nX-Old: 1\r\nSubject: s\r\nX-Old: 2\r\n"},
          Case{
              {Kind::Insert, 99, "X-New", "v"},
              "Received: by us\r\nFrom: a@example.org\r\nX-Old: 1\r\nSubject: s\r\nX-Old: 2\r\nX-New: v\r\n"},
          Case{{Kind::Change, 2, "x-old", "3"},
               "Received: by us\r\nFrom: a@example.org\r\nX-Old: 1\r\nSubject: s\r\nx-old: 3\r\n"},
          Case{{Kind::Change, 1, "X-Old", ""},
               "Received: by us\r\nFrom: a@example.org\r\nSubject: s\r\nX-Old: 2\r\n"},
          Case{{Kind::Change, 3, "X-Old", ""}, kHeader},
          Case{{Kind::Remove, 0, "X-OLD", ""}, "Received: by us\r\nFrom: a@example.org\r\nSubject: s\r\n"},
      }) {
    mail::Header header = *mail::Header::parse(kHeader);
    const auto refused = apply_edits(header, {c.edit});
    ASSERT_TRUE(refused);
    EXPECT_TRUE(refused->empty());
    EXPECT_EQ(header.octets(), c.header);
  }
}

// RFC 5322 §2.2: whatever a scanner sends, it cannot end a field early or begin another.
TEST(ScannersEdits, CannotInjectFields) {
  for (const auto& [value, field] :
       {std::pair{"a\r\nBcc: x@y", "X-A: a\r\n Bcc: x@y\r\n"},
        std::pair{"a\n\tfolded", "X-A: a\r\n\tfolded\r\n"},
        std::pair{"a\r\n\r\nbody", "X-A: a\r\n \r\n body\r\n"}, std::pair{"a\x01\xff", "X-A: a??\r\n"},
        std::pair{"a\r\n", "X-A: a\r\n"}}) {
    mail::Header header = *mail::Header::parse("From: a@example.org\r\n");
    const auto refused = apply_edits(header, {{Kind::Insert, 0, "X-A", value}});
    ASSERT_TRUE(refused);
    EXPECT_EQ(header.octets(), std::string(field) + "From: a@example.org\r\n");
  }
}

TEST(ScannersEdits, LeaveProtectedFieldsAndBadOnesAlone) {
  for (const Edit& edit :
       {Edit{Kind::Change, 1, "from", "b@example.org"}, Edit{Kind::Add, 0, "Bcc", "b@example.org"},
        Edit{Kind::Remove, 0, "Sender", ""}, Edit{Kind::Add, 0, "X A", "v"}, Edit{Kind::Add, 0, "", "v"},
        Edit{Kind::Add, 0, "X:A", "v"}, Edit{Kind::Add, 0, "X-Long", std::string(1000, 'x')}}) {
    mail::Header header = *mail::Header::parse(kHeader);
    const auto refused = apply_edits(header, {edit});
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->size(), 1U) << edit.name;
    EXPECT_EQ(header.octets(), kHeader);
  }
}

TEST(WhatScannersSay, IsShownAsOnePrintableLine) {
  EXPECT_EQ(one_printable_line(" a\r\n\x1b[31m b\xc3\xa9 "), "a ?[31m b??");
  EXPECT_EQ(one_printable_line("aaaa", 3), "aaa");
}

}  // namespace
}  // namespace postern::scan
