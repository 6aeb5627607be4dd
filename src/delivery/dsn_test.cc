#include "delivery/dsn.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace postern::delivery {
namespace {

using std::chrono::milliseconds;

constexpr TimePoint kArrived{milliseconds{1'700'000'000'000}};

Report base_report() {
  Report report;
  report.original = QueueId{1'700'000'000'000LL << 21U};
  report.reporting_mta = "mail.example.org";
  report.from = "postmaster@mail.example.org";
  report.sender = "anna@example.org";
  report.message_id = "<report-1@mail.example.org>";
  report.arrived = kArrived;
  report.now = kArrived + milliseconds{60'000};
  report.recipients.push_back({.address = "No.Body@Example.net",
                               .orcpt = "",
                               .status = "5.1.1",
                               .remote_mta = "mx1.example.net",
                               .diagnostic = "550 5.1.1 no such user here",
                               .last_attempt = kArrived + milliseconds{59'000}});
  return report;
}

constexpr std::string_view kOriginal =
    "From: anna@example.org\r\nSubject: hello\r\n\r\nFirst line\r\n.starts with a dot\r\n";

struct Case {
  const char* name;
  Report report;
  std::string original;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  all.push_back({"one_recipient_headers", base_report(), std::string(kOriginal)});

  Report full = base_report();
  full.what = Return::Full;
  full.envid = "QQ+2B314159";
  full.recipients[0].orcpt = "rfc822;No.Body+2BTag@Example.net";
  full.recipients.push_back({.address = "b@example.com",
                             .orcpt = "",
                             .status = "4.4.1",
                             .remote_mta = "",
                             .diagnostic = "not deliverable for 5 days; last: 192.0.2.1 did not answer",
                             .last_attempt = kArrived});
  all.push_back({"two_recipients_full_envid_orcpt", full, std::string(kOriginal)});

  Report stranger = base_report();
  stranger.recipients[0].diagnostic = "550-5.7.1 \xc3\xa9\x01 " + std::string(120, 'x') + " tail";
  stranger.recipients[0].address = "b\xc3\xbcro@example.net";
  all.push_back({"hostile_reply_utf8_recipient", stranger, std::string(kOriginal)});

  Report eight = base_report();
  eight.what = Return::Full;
  all.push_back({"eight_bit_original_comes_back_as_header", eight,
                 "From: anna@example.org\r\nSubject: gr\xc3\xbc\xc3\x9f dich=\r\n\r\n\xc3\xa4\r\n"});

  Report delayed = base_report();
  delayed.news = News::Delayed;
  delayed.tried_until = kArrived + std::chrono::hours{120};
  delayed.what = Return::Full;
  delayed.recipients[0].status = "4.4.1";
  delayed.recipients[0].diagnostic = "450 4.2.1 busy";
  all.push_back({"delayed", delayed, std::string(kOriginal)});

  Report relayed = base_report();
  relayed.news = News::Relayed;
  relayed.recipients[0].status = "2.0.0";
  relayed.recipients[0].diagnostic = "250 2.0.0 taken";
  all.push_back({"relayed", relayed, std::string(kOriginal)});
  return all;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class DsnGoldenTest : public testing::TestWithParam<Case> {};

TEST_P(DsnGoldenTest, MatchesGoldenFile) {
  const std::string path = std::string(POSTERN_SOURCE_DIR) + "/tests/golden/dsn/" + GetParam().name + ".eml";
  const std::string built = build_report(GetParam().report, GetParam().original);
  if (std::getenv("POSTERN_UPDATE_GOLDEN") != nullptr) std::ofstream(path, std::ios::binary) << built;
  EXPECT_EQ(built, read_file(path));
}

TEST_P(DsnGoldenTest, IsSevenBitWithCrlfOnlyAndShortLines) {
  const std::string built = build_report(GetParam().report, GetParam().original);
  std::size_t line = 0;
  for (std::size_t i = 0; i < built.size(); ++i) {
    ASSERT_LT(static_cast<unsigned char>(built[i]), 0x80) << "RFC 3464 §2.1, octet " << i;
    if (built[i] == '\n') {
      ASSERT_TRUE(i > 0 && built[i - 1] == '\r') << "bare LF at " << i;
      line = 0;
    } else {
      ASSERT_LE(++line, 999U) << "RFC 5322 §2.1.1";
    }
  }
}

TEST_P(DsnGoldenTest, HasTheThreePartsInOrder) {
  const std::string built = build_report(GetParam().report, GetParam().original);
  std::vector<std::string> types;
  constexpr std::string_view kField = "Content-Type: ";
  for (std::size_t at = built.find(kField); at != std::string::npos; at = built.find(kField, at + 1)) {
    const std::size_t value = at + kField.size();
    types.push_back(built.substr(value, built.find_first_of(";\r", value) - value));
  }
  const Report& report = GetParam().report;
  const bool whole =
      report.what == Return::Full && report.news == News::Failed && GetParam().original == kOriginal;
  EXPECT_EQ(types, (std::vector<std::string>{"multipart/report", "text/plain", "message/delivery-status",
                                             whole ? "message/rfc822" : "text/rfc822-headers"}))
      << "RFC 6522 §3";
}

INSTANTIATE_TEST_SUITE_P(Rfc3464, DsnGoldenTest, testing::ValuesIn(cases()),
                         [](const auto& test) { return std::string(test.param.name); });

std::size_t count(std::string_view haystack, std::string_view needle) {
  std::size_t n = 0;
  for (std::size_t at = haystack.find(needle); at != std::string_view::npos;
       at = haystack.find(needle, at + 1))
    ++n;
  return n;
}

TEST(Rfc3464Section23, OneGroupPerRecipientAfterABlankLine) {
  const std::string built = build_report(cases()[1].report, kOriginal);
  EXPECT_EQ(count(built, "\r\n\r\nFinal-Recipient: ") + count(built, "\r\n\r\nOriginal-Recipient: "), 2U);
  EXPECT_EQ(count(built, "\r\nAction: failed\r\n"), 2U);
}

TEST(Rfc3461Section63, EnvelopeIdAndOriginalRecipientOnlyWhenTheyCame) {
  const std::string without = build_report(base_report(), kOriginal);
  EXPECT_EQ(count(without, "Original-Envelope-Id"), 0U);
  EXPECT_EQ(count(without, "Original-Recipient"), 0U);
  const std::string with = build_report(cases()[1].report, kOriginal);
  EXPECT_EQ(count(with, "Original-Envelope-Id: QQ+314159\r\n"), 1U);
  EXPECT_EQ(count(with, "Original-Recipient: rfc822; No.Body+Tag@Example.net\r\n"), 1U);
}

// RFC 6533 §3, §4: who has a UTF-8 address reads UTF-8.
TEST(Rfc6533Section3, SendersBeyondAsciiGetReportsInUtf8) {
  Report report = base_report();
  report.sender = "\xd0\xb0\xd0\xbd\xd0\xbd\xd0\xb0@example.org";
  report.recipients[0].address = "j\xc3\xbcrgen@example.net";
  report.recipients[0].remote_mta = "mx.example.net";
  report.recipients[0].diagnostic = "550 5.1.1 kein J\xc3\xbcrgen\x1b";
  const std::string built = build_report(report, "Subject: \xc3\xa4\r\n\r\nbody\r\n");
  EXPECT_EQ(
      count(built, "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n"),
      1U);
  EXPECT_EQ(count(built, "Final-Recipient: utf-8; j\xc3\xbcrgen@example.net\r\n"), 1U);
  EXPECT_EQ(count(built, "Diagnostic-Code: smtp; 550 5.1.1 kein J\xc3\xbcrgen?\r\n"), 1U);
  EXPECT_EQ(count(built, "Content-Type: message/global-headers\r\n"), 1U);
  report.recipients[0].diagnostic = "550 \xff";
  EXPECT_EQ(count(build_report(report, kOriginal), "\xff"), 0U) << "not UTF-8";
}

// RFC 3464 §2.3.3 and §2.3.9.
TEST(Rfc3464Section23, WillRetryUntilOnlyWhereAnAttemptFollows) {
  const std::vector<Case> all = cases();
  for (const Case& c : all) {
    const std::string built = build_report(c.report, c.original);
    const bool delayed = c.report.news == News::Delayed;
    EXPECT_EQ(count(built, "Will-Retry-Until: "), delayed ? 1U : 0U) << c.name;
    EXPECT_EQ(count(built, "Action: delayed"), delayed ? 1U : 0U) << c.name;
  }
}

TEST(PlainWords, EveryStatusHasSome) {
  for (const char* status : {"5.1.1", "4.4.1", "5.1.10", "5.7.30", "5.7.509", "4.0.0", "", "5", "nonsense"})
    EXPECT_FALSE(plain_words(status).empty()) << status;
  EXPECT_EQ(plain_words("4.4.1"), plain_words("5.4.1"));
  EXPECT_NE(plain_words("5.1.1"), plain_words("5.1.10"));
}

}  // namespace
}  // namespace postern::delivery
