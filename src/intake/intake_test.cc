#include "intake/checks.h"
#include "intake/fixups.h"
#include "intake/testing/fixture.h"
#include "intake/trace.h"
#include "mail/message_id.h"

#include <gmock/gmock.h>

#include <set>

namespace postern::intake {
namespace {

using testing::BrokenQueue;
using testing::crlf;
using ::testing::HasSubstr;
using testing::IntakeTest;
using testing::Outcome;

constexpr const char* kMail = "From: alice@example.org\r\nSubject: hi\r\n\r\nOne line.\r\n";

mail::Header header(std::string_view text) { return *mail::Header::parse(crlf(text)); }

TEST(Rfc5322Section36, WhatMayStandOnceDoes) {
  for (const char* name : {"From", "Date", "Sender", "Reply-To", "To", "Cc", "Message-ID", "In-Reply-To",
                           "References", "Subject"}) {
    const std::string field = std::string(name) + ": x\n";
    const std::string from = std::string(name) == "From" ? "" : "From: a@b.c\n";
    EXPECT_FALSE(check_field_counts(header(from + field))) << name;
    const auto refusal = check_field_counts(header(from + field + field));
    ASSERT_TRUE(refusal) << name;
    EXPECT_EQ(refusal->why, Refusal::Why::BadContent);
    EXPECT_EQ(refusal->detail, std::string("the message has more than one ") + name + " field");
  }
  EXPECT_FALSE(
      check_field_counts(header("From: a@b.c\nComments: x\nComments: y\nKeywords: z\nKeywords: z\n")));
  EXPECT_EQ(check_field_counts(header("Sender: a@b.c\n"))->detail, "the message has no From field");
}

TEST(Rfc5321Section63, LoopsAreCountedByReceived) {
  const mail::Header three = header("Received: a\nreceived: b\nRECEIVED : c\n");
  EXPECT_FALSE(check_hops(three, 3));
  const auto refusal = check_hops(three, 2);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->why, Refusal::Why::TooManyHops);
  EXPECT_EQ(refusal->detail, "more than 2 Received fields: a mail loop");
}

TEST(Rfc6409Section82, DateIsAddedOrReplacedInItsPlace) {
  const TimePoint now{std::chrono::milliseconds{1'700'000'000'000}};
  mail::Header absent = header("A: 1\n");
  fix_date(absent, now);
  EXPECT_EQ(absent.octets(), "A: 1\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n");
  mail::Header bad = header("A: 1\ndate: soon\nB: 2\n");
  fix_date(bad, now);
  EXPECT_EQ(bad.octets(), "A: 1\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\nB: 2\r\n");
  mail::Header good = header("Date:  1 Jan 24 10:00 GMT \n");
  fix_date(good, now);
  EXPECT_EQ(good.octets(), "Date:  1 Jan 24 10:00 GMT \r\n");
}

TEST(Rfc6409Section83, MessageIdIsAddedOrReplacedInItsPlace) {
  mail::Header absent = header("A: 1\n");
  fix_message_id(absent, QueueId{1}, "mail.example.org");
  EXPECT_THAT(absent.octets(), ::testing::MatchesRegex("A: 1\r\nMessage-ID: <0000000000001\\.[0-9A-Z]+@"
                                                       "mail\\.example\\.org>\r\n"));
  EXPECT_TRUE(mail::valid_message_id(absent.find("Message-ID")->value()));
  mail::Header bad = header("Message-Id: <a b@c>\nB: 2\n");
  fix_message_id(bad, QueueId{1}, "mail.example.org");
  EXPECT_TRUE(mail::valid_message_id(bad.fields()[0].value()));
  mail::Header good = header("MESSAGE-ID:<a@[192.0.2.1]>\n");
  fix_message_id(good, QueueId{1}, "mail.example.org");
  EXPECT_EQ(good.octets(), "MESSAGE-ID:<a@[192.0.2.1]>\r\n");
}

TEST_F(IntakeTest, Rfc5322Section364OurIdsNeverMeet) {
  std::set<std::string> seen;
  for (int i = 0; i < 2000; ++i) {
    mail::Header added = header("A: 1\n");
    fix_message_id(added, QueueId{make_id(1)}, "mail.example.org");
    EXPECT_TRUE(seen.insert(added.find("Message-ID")->value()).second);
  }
}

// RFC 3848, RFC 6531 §4.3, RFC 5321 §4.4: the whole field, for each way in.
TEST_F(IntakeTest, ReceivedSaysHowItCame) {
  const auto field = [this] { return received_field(facts_, QueueId{1}, hostname_, clock_.now()); };
  const std::string by = "\r\n\tby mail.example.org with ";
  const std::string rest = " id 0000000000001\r\n\ttls TLS_AES_256_GCM_SHA384 group x25519";
  const std::string date = "; Tue, 14 Nov 2023 22:13:20 +0000\r\n";
  const std::string to = "\r\n\tfor <friend@example.net>";
  EXPECT_EQ(field(), "Received: from client.example ([192.0.2.7])" + by + "ESMTPSA" + rest + to + date);
  facts_.envelope.params.smtputf8 = true;
  EXPECT_EQ(field(), "Received: from client.example ([192.0.2.7])" + by + "UTF8SMTPSA" + rest + to + date);
  facts_.envelope.params.handling.priority = -3;
  EXPECT_THAT(field(), HasSubstr("x25519\r\n\tPRIORITY -3\r\n\tfor <"));
  facts_.envelope.params.handling.priority.reset();
  facts_.esmtp = false;
  facts_.envelope.params.smtputf8 = false;
  facts_.client = *net::IpAddress::parse("2001:db8::7");
  EXPECT_EQ(field(), "Received: from client.example ([IPv6:2001:db8::7])" + by + "SMTP" + rest + to + date);
}

TEST_F(IntakeTest, Rfc5321Section72ForIsLeftOutForSeveralRecipients) {
  facts_.envelope.recipients.push_back({"hidden@example.com", "example.com", {}, ""});
  const std::string field = received_field(facts_, QueueId{1}, hostname_, clock_.now());
  EXPECT_THAT(field, ::testing::Not(HasSubstr("for <")));
  EXPECT_THAT(field, ::testing::Not(HasSubstr("hidden")));
}

TEST_F(IntakeTest, DomainsWithoutAKeyAreAcceptedOnlyWhenTheNextHopSigns) {
  constexpr const char* kBare = "From: alice@bare.example\r\nSubject: hi\r\n\r\nOne line.\r\n";
  EXPECT_EQ(verdict(kBare), "no DKIM key for bare.example");
  options_.signing = Signing::NextHop;
  EXPECT_EQ(verdict(kBare), "accepted");
  EXPECT_EQ(verdict("From: eve@example.com\r\nSubject: hi\r\n\r\nOne line.\r\n"),
            "alice@example.org may not send as eve@example.com");
}

TEST_F(IntakeTest, WhatWasAcceptedIsKeptWithItsEnvelope) {
  facts_.envelope.params.envid = "QQ314159";
  const Outcome out = submit(kMail);
  ASSERT_FALSE(out.refusal) << out.refusal->detail;
  EXPECT_EQ(out.lease.account, facts_.account.id);
  EXPECT_EQ(out.lease.account_name, "alice@example.org");
  EXPECT_EQ(out.lease.session, SessionId{5});
  EXPECT_EQ(out.lease.envelope, facts_.envelope);
  EXPECT_EQ(out.lease.signing_domain, "example.org");
  EXPECT_EQ(out.lease.accepted_at, clock_.now());
  EXPECT_FALSE(out.lease.eight_bit);
  EXPECT_FALSE(out.lease.smtputf8);
  EXPECT_EQ(history_of(out.id), "accepted from 192.0.2.7, 51 octets, 1 recipients: friend@example.net\n");
}

TEST_F(IntakeTest, SigningDomainIsThatOfFromInLowerCase) {
  EXPECT_EQ(submit("From: x@List.Example.ORG\r\n\r\n").lease.signing_domain, "list.example.org");
}

TEST_F(IntakeTest, Rfc6152Section3EightBitIsNoticedWhereverItStands) {
  const std::string head = "From: alice@example.org\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n";
  options_.eight_bit_headers = true;
  EXPECT_FALSE(submit(head + "\r\nplain\r\n").lease.eight_bit);
  EXPECT_TRUE(submit(head + "Subject: \xfc\r\n\r\nplain\r\n").lease.eight_bit);
  EXPECT_TRUE(submit(head + "\r\nlast octet \xfc").lease.eight_bit);
  EXPECT_TRUE(submit(head + "\r\nlast octet \xfc", 1).lease.eight_bit);
}

// RFC 6531 §3.4: the next hop is only asked for SMTPUTF8 when the message needs it.
TEST_F(IntakeTest, SmtpUtf8IsNeededForNonAsciiOnly) {
  const std::string ascii(kMail);
  const std::string utf8 = "From: alice@example.org\r\nSubject: \xc3\xbc\r\n\r\n";
  options_.eight_bit_headers = true;
  EXPECT_FALSE(submit(utf8).lease.smtputf8) << "the client did not ask";
  facts_.envelope.params.smtputf8 = true;
  EXPECT_FALSE(submit(ascii).lease.smtputf8);
  EXPECT_TRUE(submit(utf8).lease.smtputf8);
  facts_.envelope.recipients[0].address = "bj\xc3\xb6rn@example.net";
  EXPECT_TRUE(submit(ascii).lease.smtputf8);
  facts_.envelope.recipients[0].address = "friend@example.net";
  facts_.envelope.reverse_path = "\xc3\xbc@example.org";
  EXPECT_TRUE(submit(ascii).lease.smtputf8);
}

// RFC 6532 §3
TEST_F(IntakeTest, EightBitHeadersNeedSmtpUtf8) {
  const std::string latin1 = "From: alice@example.org\r\nSubject: \xfc\r\n\r\n";
  const std::string utf8 = "From: alice@example.org\r\nSubject: \xc3\xbc\r\n\r\n\xfc body\r\n";
  const std::string refused =
      "the Subject field holds non-ASCII octets: encode them (RFC 2047), or send with SMTPUTF8 (RFC 6531)";
  EXPECT_EQ(verdict(latin1), refused);
  EXPECT_EQ(verdict(utf8), refused);
  facts_.envelope.params.smtputf8 = true;
  EXPECT_EQ(verdict(latin1), "the Subject field is not valid UTF-8 (RFC 6532)");
  EXPECT_EQ(verdict(utf8), "accepted");
  EXPECT_EQ(verdict(std::string("From: alice@example.org\r\nX: a\0b\r\n\r\n", 35)),
            "the X field holds a NUL");
}

// RFC 6409 §4.2, §5.1
TEST_F(IntakeTest, AddressesInTheHeaderAreChecked) {
  const std::string from = "From: alice@example.org\r\n";
  EXPECT_EQ(verdict(from + "To: <<>>\r\n\r\n"),
            "the To field holds no valid address list: no @ in the address");
  EXPECT_EQ(verdict(from + "Cc: bob@sales\r\n\r\n"),
            "the domain of bob@sales in the Cc field is not fully qualified");
  EXPECT_EQ(verdict(from + "Reply-To: root\r\n\r\n"),
            "the Reply-To field holds no valid address list: not an address");
  EXPECT_EQ(verdict(from + "To: a@b.example c@d.example\r\n\r\n"),
            "the To field holds no valid address list: a comma is missing between addresses");
  for (const char* good :
       {"To: undisclosed-recipients:;", "To: ", "Cc:", "To: \"A, B\" <a@b.example>, c@[192.0.2.1]",
        "To: (nobody) a@b.example", "Resent-To: root"}) {
    EXPECT_EQ(verdict(from + good + "\r\n\r\n"), "accepted") << good;
  }
  options_.check_addresses = false;
  EXPECT_EQ(verdict(from + "To: root\r\n\r\n"), "accepted");
}

// RFC 6409 §8.1
TEST(Rfc6409Section81, SenderNamesTheAccountWhenFromIsAnother) {
  mail::Header same = header("From: Alice <ALICE@example.org>\n");
  set_sender(same, "alice@example.org");
  EXPECT_EQ(same.count("Sender"), 0U);
  mail::Header other = header("From: sales@example.org\nSender: eve@example.org\nTo: b@c.d\n");
  set_sender(other, "alice@example.org");
  EXPECT_EQ(other.octets(), "From: sales@example.org\r\nSender: alice@example.org\r\nTo: b@c.d\r\n");
}

TEST_F(IntakeTest, PartsNestOnlySoDeep) {
  options_.max_mime_depth = 10;
  const auto nested = [](int depth) {
    std::string text = "From: alice@example.org\r\n";
    for (int i = 0; i < depth; ++i) {
      const std::string boundary = "b" + std::to_string(i);
      text += "Content-Type: multipart/mixed; boundary=" + boundary + "\r\n\r\n--" + boundary + "\r\n";
    }
    return text + "\r\n";
  };
  EXPECT_EQ(verdict(nested(10)), "accepted");
  EXPECT_EQ(verdict(nested(11)), "its MIME parts nest too deep");
}

TEST_F(IntakeTest, HeaderSizeIsBounded) {
  options_.max_header = Bytes{1000};
  const std::string start = "From: alice@example.org\r\nX: ";
  const auto of_size = [&](std::size_t octets) {
    std::string text = start;
    while (text.size() < octets - 2) text += text.size() % 100 == 99 ? "\r\n " : "x";
    text.resize(octets - 2);
    return text + "\r\n";
  };
  const std::string body = "\r\n" + std::string(100'000, 'b') + "\r\n";
  for (const std::size_t cut : {std::size_t{1'000'000}, std::size_t{7}}) {
    EXPECT_FALSE(submit(of_size(1000) + body, cut).refusal) << cut;
    const Outcome out = submit(of_size(1001) + body, cut);
    ASSERT_TRUE(out.refusal) << cut;
    EXPECT_EQ(out.refusal->why, Refusal::Why::HeaderTooLarge);
    EXPECT_EQ(out.refusal->detail, "the header is too large");
  }
  EXPECT_TRUE(submit(std::string(5000, 'x'), 64).refusal) << "no end in sight";
}

TEST_F(IntakeTest, LargeBodyComesThroughWhole) {
  std::string body;
  for (int line = 0; body.size() < 500'000; ++line) body += "line " + std::to_string(line) + "\r\n";
  const Outcome out = submit("From: alice@example.org\r\n\r\n" + body, 4093);
  ASSERT_FALSE(out.refusal);
  EXPECT_TRUE(out.stored.ends_with("\r\n\r\n" + body));
}

TEST_F(IntakeTest, RefusalLeavesNothingInTheQueue) {
  EXPECT_EQ(verdict("From: bob@example.org\r\n\r\nx\r\n"),
            "alice@example.org may not send as bob@example.org");
  const Outcome next = submit(kMail);  // reads the queue: exactly this one is in it
  EXPECT_FALSE(next.refusal);
}

TEST_F(IntakeTest, OverTheLimitIsDeferredWithLimitUseAndTime) {
  limit_person("messages 2/1h");
  EXPECT_EQ(verdict(kMail), "accepted");
  EXPECT_EQ(verdict("From: bob@example.org\r\n\r\n"), "alice@example.org may not send as bob@example.org");
  EXPECT_EQ(verdict(kMail), "accepted") << "a refused message does not count";
  const Outcome out = submit(kMail);
  ASSERT_TRUE(out.refusal);
  EXPECT_EQ(out.refusal->why, Refusal::Why::OverLimit);
  EXPECT_EQ(
      out.refusal->detail,
      "message limit 2/1h of account alice@example.org reached: 2 used; frees at 2023-11-14 23:13:00 UTC; "
      "reference 0000000000005");
  clock_.advance(std::chrono::hours{1});
  EXPECT_EQ(verdict(kMail), "accepted");
}

TEST_F(IntakeTest, SuspensionDuringTheUploadCounts) {
  ASSERT_TRUE(directory_->set_suspended("alice@example.org", true));
  const Outcome out = submit(kMail);
  ASSERT_TRUE(out.refusal);
  EXPECT_EQ(out.refusal->why, Refusal::Why::Suspended);
  EXPECT_EQ(out.refusal->detail, "the account is suspended");
  ASSERT_TRUE(directory_->set_suspended("alice@example.org", false));
  EXPECT_EQ(verdict(kMail), "accepted");
  ASSERT_TRUE(directory_->set_password_hash("alice@example.org", "$6$saltsalt$" + std::string(86, 'x')));
  EXPECT_EQ(verdict(kMail), "the password was changed: log in again");
  ASSERT_TRUE(directory_->remove_account("alice@example.org"));
  EXPECT_EQ(submit(kMail).refusal->why, Refusal::Why::NotYourFrom);
}

TEST_F(IntakeTest, StoreThatFailsMeansLater) {
  for (const int good_appends : {0, 1, 100}) {
    BrokenQueue broken(good_appends);
    use_queue_ = &broken;
    const Outcome out = submit(std::string(kMail) + std::string(1000, 'x'), 60);
    ASSERT_TRUE(out.refusal) << good_appends;
    EXPECT_EQ(out.refusal->why, Refusal::Why::StoreDown);
    EXPECT_EQ(out.refusal->detail, "broken for the test");
    EXPECT_EQ(history_of(out.id), "");
  }
  use_queue_ = nullptr;
  EXPECT_EQ(verdict(kMail), "accepted");
}

TEST_F(IntakeTest, StoreThatFailsDoesNotUseUpTheLimit) {
  limit_person("messages 1/1h");
  BrokenQueue broken(100);
  use_queue_ = &broken;
  EXPECT_EQ(submit(kMail).refusal->why, Refusal::Why::StoreDown);
  use_queue_ = nullptr;
  EXPECT_EQ(verdict(kMail), "accepted");
}

class GeneratedTest : public IntakeTest {
 protected:
  net::Task<> do_enqueue(std::string content, Result<>& out) {
    const Live<Options> options(options_);
    const Services services{hostname_, options, clock_, *directory_, *limits_, *queue_, *history_};
    smtp::MailParams params;
    params.smtputf8 = true;
    params.handling.require_tls = true;
    out = co_await enqueue_generated(loop_, services, "Anna@Example.ORG", "example.org", std::move(content),
                                     std::move(params));
    loop_.stop();
  }
};

TEST_F(GeneratedTest, Rfc3461Section61ReportHasNullSenderAndNotifyNever) {
  Result<> done;
  loop_.spawn(do_enqueue("From: postmaster@mail.example.org\r\n\r\n\xc3\xbc\r\n", done));
  loop_.run();
  ASSERT_TRUE(done);
  const queue::Lease lease = taken();
  EXPECT_EQ(lease.envelope.reverse_path, "");
  ASSERT_EQ(lease.envelope.recipients.size(), 1U);
  EXPECT_EQ(lease.envelope.recipients[0].address, "Anna@Example.ORG");
  EXPECT_EQ(lease.envelope.recipients[0].domain, "example.org");
  EXPECT_EQ(lease.envelope.recipients[0].notify.bits, smtp::Notify::kNever);
  EXPECT_EQ(lease.account, AccountId{});
  EXPECT_EQ(lease.signing_domain, "example.org");
  EXPECT_TRUE(lease.eight_bit);
  EXPECT_TRUE(lease.smtputf8);
  EXPECT_TRUE(lease.envelope.params.handling.require_tls);
}

}  // namespace
}  // namespace postern::intake
