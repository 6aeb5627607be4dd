#include "submission/session.h"

#include "submission/testing/conversation.h"

#include <gtest/gtest.h>

namespace postern::submission {
namespace {

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() { options_.postmaster = "hostmaster@example.org"; }
  /// The reply's code and enhanced code, "250 2.1.0".
  std::string say(std::string_view line) {
    last_ = session_.on_line(line);
    const std::string status = smtp::to_string(last_.reply.enhanced);
    return std::to_string(last_.reply.code) + (status.empty() ? "" : " " + status);
  }
  void log_in() {
    session_.tls_started();
    say("EHLO client.example");
    EXPECT_EQ(say("AUTH PLAIN AGFsaWNlAHNlY3JldA=="), "0");
    EXPECT_EQ(last_.next, Next::CheckLogin);
    const Step step =
        session_.logged_in({AccountId{1}, "alice@example.org", accounts::AccountClass::Person, false, 0});
    EXPECT_EQ(step.reply.code, 235);
  }
  Options options_;
  testing::FixedPolicy policy_;
  FakeClock clock_;
  Session session_{options_, "mail.example.org", policy_, clock_, Session::Tls::None, true};
  Step last_;
};

TEST_F(SessionTest, Rfc6409Section43InClearOnlyTlsCanFollow) {
  EXPECT_EQ(say("MAIL FROM:<alice@example.org>"), "530 5.7.0");
  EXPECT_EQ(say("EHLO client.example"), "250");
  const std::string wire = last_.reply.wire();
  EXPECT_NE(wire.find("250-STARTTLS\r\n") != std::string::npos ||
                wire.find("250 STARTTLS\r\n") != std::string::npos,
            false);
  EXPECT_EQ(wire.find("AUTH"), std::string::npos) << "RFC 4954 §6: not announced in clear";
  for (const char* line : {"MAIL FROM:<alice@example.org>", "RCPT TO:<b@c.d>", "DATA",
                           "AUTH PLAIN AGFsaWNlAHNlY3JldA==", "VRFY x"}) {
    EXPECT_EQ(say(line), "530 5.7.0") << line;
  }
  EXPECT_EQ(say("NOOP"), "250 2.0.0");
  EXPECT_EQ(say("STARTTLS now"), "501 5.5.4");
  EXPECT_EQ(say("STARTTLS"), "220 2.0.0");
  EXPECT_EQ(last_.next, Next::StartTls);
}

TEST_F(SessionTest, Rfc3207Section42EverythingBeforeTlsIsForgotten) {
  say("EHLO client.example");
  session_.tls_started();
  EXPECT_EQ(say("MAIL FROM:<alice@example.org>"), "503 5.5.1");
  EXPECT_EQ(say("EHLO client.example"), "250");
  EXPECT_EQ(last_.reply.wire().find("STARTTLS"), std::string::npos);
  EXPECT_NE(last_.reply.wire().find("AUTH PLAIN LOGIN"), std::string::npos);
  EXPECT_EQ(say("STARTTLS"), "503 5.5.1");
  EXPECT_EQ(say("MAIL FROM:<alice@example.org>"), "530 5.7.0");
}

TEST_F(SessionTest, WithoutCertificateThereIsNoStartTls) {
  Session bare(options_, "mail.example.org", policy_, clock_, Session::Tls::None, false);
  EXPECT_EQ(bare.on_line("EHLO client.example").reply.wire().find("STARTTLS"), std::string::npos);
  EXPECT_EQ(bare.on_line("STARTTLS").reply.code, 454);
  EXPECT_EQ(bare.on_line("AUTH PLAIN AGFsaWNlAHNlY3JldA==").reply.code, 530);
}

TEST_F(SessionTest, Rfc5321Section414OrderOfCommands) {
  log_in();
  EXPECT_EQ(say("RCPT TO:<b@c.d>"), "503 5.5.1");
  EXPECT_EQ(say("DATA"), "503 5.5.1");
  EXPECT_EQ(say("MAIL FROM:<alice@example.org>"), "250 2.1.0");
  EXPECT_EQ(say("MAIL FROM:<alice@example.org>"), "503 5.5.1");
  EXPECT_EQ(say("DATA"), "503 5.5.1");
  EXPECT_EQ(say("RCPT TO:<b@c.d>"), "250 2.1.5");
  EXPECT_EQ(say("NOOP"), "250 2.0.0");
  EXPECT_EQ(say("AUTH PLAIN AGFsaWNlAHNlY3JldA=="), "503 5.5.1");
  EXPECT_EQ(say("DATA x"), "501 5.5.4");
  EXPECT_EQ(say("DATA"), "354");
  EXPECT_EQ(last_.next, Next::ReceiveData);
  session_.data_done();
  EXPECT_EQ(say("DATA"), "503 5.5.1");
  EXPECT_EQ(say("MAIL FROM:<>"), "250 2.1.0") << "RFC 6409 §3.2";
  EXPECT_EQ(say("RSET"), "250 2.0.0");
  EXPECT_EQ(say("RCPT TO:<b@c.d>"), "503 5.5.1");
  EXPECT_EQ(say("MAIL FROM:<alice@example.org>"), "250 2.1.0");
  EXPECT_EQ(say("EHLO again"), "250");
  EXPECT_EQ(say("RCPT TO:<b@c.d>"), "503 5.5.1") << "EHLO acts like RSET";
}

TEST_F(SessionTest, AddressesAndParameters) {
  log_in();
  const std::pair<const char*, const char*> cases[] = {
      {"MAIL FROM:<bob@example.org>", "550 5.7.1"},
      {"MAIL FROM:<a b@x>", "501 5.1.7"},
      {"MAIL FROM:<alice@example.org> FOO=1", "555 5.5.4"},
      {"MAIL FROM:<alice@example.org> SIZE=99999999999", "552 5.3.4"},
      {"MAIL FROM:<alice@localhost>", "554 5.1.8"},
      {"MAIL FROM:<\xc3\xa9@example.org>", "550 5.6.7"},
      {"MAIL FROM:<alice@example.org> SIZE=10 BODY=8BITMIME", "250 2.1.0"},
      {"RCPT TO:<@>", "501 5.1.3"},
      {"RCPT TO:<a@ex_ample.com>", "501 5.1.3"},
      {"RCPT TO:<bob@sales>", "554 5.1.2"},
      {"RCPT TO:<\xc3\xa9@example.org>", "553 5.6.7"},
      {"RCPT TO:<PostMaster>", "250 2.1.5"},
      {"RCPT TO:<Some.User+Tag@Remote.Example>", "250 2.1.5"},
  };
  for (const auto& [line, want] : cases) EXPECT_EQ(say(line), want) << line;
  EXPECT_EQ(session_.envelope().recipients[0].address, "hostmaster@example.org");
  EXPECT_EQ(session_.envelope().recipients[1].address, "Some.User+Tag@Remote.Example");
  EXPECT_EQ(session_.envelope().recipients[1].domain, "remote.example");
}

TEST_F(SessionTest, LimitsAreTold) {
  log_in();
  policy_.most = 2;
  say("MAIL FROM:<alice@example.org>");
  EXPECT_EQ(say("RCPT TO:<a@b.c>"), "250 2.1.5");
  EXPECT_EQ(say("RCPT TO:<b@b.c>"), "250 2.1.5");
  EXPECT_EQ(say("RCPT TO:<c@b.c>"), "450 4.7.1");
  EXPECT_NE(last_.reply.wire().find("5/1d"), std::string::npos);
  options_.max_recipients = 2;
  EXPECT_EQ(say("RCPT TO:<c@b.c>"), "452 4.5.3");
  EXPECT_EQ(session_.envelope().recipients.size(), 2U);
}

TEST_F(SessionTest, Rfc4954Section4AuthExchanges) {
  session_.tls_started();
  say("EHLO c");
  EXPECT_EQ(say("AUTH FOO"), "504 5.5.4");
  EXPECT_EQ(say("AUTH PLAIN"), "334");
  EXPECT_EQ(last_.reply.wire(), "334 \r\n");
  EXPECT_EQ(session_.on_response("*").reply.code, 501);
  EXPECT_EQ(say("auth login"), "334");
  EXPECT_EQ(last_.reply.wire(), "334 VXNlcm5hbWU6\r\n");
  EXPECT_EQ(session_.on_response("YWxpY2U=").reply.wire(), "334 UGFzc3dvcmQ6\r\n");
  EXPECT_EQ(session_.on_response("c2VjcmV0").next, Next::CheckLogin);
  EXPECT_EQ(sasl::claimed_name(session_.claim()), "alice");
  EXPECT_EQ(session_.login_failed({535, {5, 7, 8}, {""}}).reply.code, 535);
  say("AUTH PLAIN");
  EXPECT_EQ(session_.on_response("AAA=BBB").reply.code, 501);
  say("AUTH PLAIN");
  EXPECT_EQ(session_.on_response("AAA=BBB").reply.code, 501) << "the third failure is told as what it is";
  EXPECT_EQ(say("AUTH PLAIN"), "421 4.7.0");
  EXPECT_EQ(last_.next, Next::Close);
  EXPECT_EQ(say("QUIT"), "221 2.0.0");
}

TEST_F(SessionTest, ActingAsSomebodyElseIsRefused) {
  session_.tls_started();
  say("EHLO c");
  EXPECT_EQ(say("AUTH PLAIN Ym9iAGFsaWNlAHNlY3JldA=="), "535 5.7.8");
}

TEST_F(SessionTest, UnknownAndUnofferedCommands) {
  EXPECT_EQ(say("BLAH"), "500 5.5.2");
  EXPECT_EQ(say("EXPN list"), "502 5.5.1");
  EXPECT_EQ(say("ETRN x"), "502 5.5.1");
  EXPECT_EQ(say("NOOP\nQUIT"), "500 5.5.2");
  EXPECT_EQ(say("HELP"), "214 2.0.0");
  EXPECT_EQ(say("QUIT"), "221 2.0.0");
  EXPECT_EQ(last_.next, Next::Close);
}

TEST_F(SessionTest, StrangersGetOneReplyAndAClose) {
  EXPECT_EQ(say("GET / HTTP/1.1"), "554 5.5.0");
  EXPECT_EQ(last_.next, Next::Close);
}

TEST_F(SessionTest, ErrorsHaveABudget) {
  for (std::uint32_t i = 0; i + 1 < options_.max_errors; ++i) EXPECT_EQ(say("BLAH"), "500 5.5.2");
  EXPECT_EQ(say("BLAH"), "421 4.7.0");
  EXPECT_EQ(last_.next, Next::Close);
}

TEST_F(SessionTest, BadRecipientsHaveABudgetOfTheirOwn) {
  log_in();
  say("MAIL FROM:<alice@example.org>");
  for (std::uint32_t i = 0; i < options_.max_recipients; ++i) say("RCPT TO:<nowhere>");
  EXPECT_EQ(last_.next, Next::Read) << "a list that is bad from end to end";
  say("RSET");
  say("MAIL FROM:<alice@example.org>");
  for (std::uint32_t i = 0; i + 1 < options_.max_recipients + options_.max_errors; ++i)
    say("RCPT TO:<nowhere>");
  EXPECT_EQ(last_.next, Next::Read);
  EXPECT_EQ(say("RCPT TO:<nowhere>"), "421 4.7.0") << "what comes after that many is an attack";
}

TEST_F(SessionTest, AnOpenSessionLosesWhatItsAccountLost) {
  log_in();
  using accounts::Standing;
  for (const auto& [standing, reply] : {std::pair{Standing::Suspended, "550 5.7.1"},
                                        {Standing::Removed, "550 5.7.1"},
                                        {Standing::PasswordChanged, "550 5.7.1"},
                                        {Standing::Unknown, "451 4.3.0"}}) {
    policy_.now = standing;
    EXPECT_EQ(say("MAIL FROM:<alice@example.org>"), reply);
    EXPECT_EQ(last_.reply.lines.front(), to_string(standing));
    EXPECT_EQ(say("MAIL FROM:<>"), reply);
  }
  policy_.now = Standing::Good;
  EXPECT_EQ(say("MAIL FROM:<alice@example.org>"), "250 2.1.0");
}

/// "n,,^Aauth=Bearer t^A^A"
constexpr const char* kBearer = "AUTH OAUTHBEARER biwsAWF1dGg9QmVhcmVyIHQBAQ==";

TEST_F(SessionTest, Rfc7628Section323ARefusedTokenIsExplainedBeforeItFails) {
  const smtp::Reply refused{535, {5, 7, 8}, {"no"}};
  for (const char* answer : {"AQ==", "", "anything"}) {
    session_.tls_started();
    say("EHLO client.example");
    EXPECT_EQ(say(kBearer), "0");
    EXPECT_EQ(last_.next, Next::CheckLogin);
    Step step = session_.login_refused(refused);
    EXPECT_EQ(step.reply.code, 334);
    EXPECT_EQ(step.next, Next::ReadResponse);
    if (std::string_view(answer) == "anything") break;
    step = session_.on_response(answer);
    EXPECT_EQ(step.reply.code, 535) << answer;
    EXPECT_EQ(step.next, Next::Read);
  }
  EXPECT_EQ(session_.on_response("*").reply.code, 501);
  EXPECT_EQ(say("NOOP"), "421 4.7.0") << "cancelled behind a wrong token: that was the third failure";
  EXPECT_FALSE(session_.account());
}

TEST_F(SessionTest, Rfc5802Section3TheServersProofIsAnsweredBeforeTheLoginCounts) {
  const accounts::Account alice{AccountId{1}, "alice@example.org"};
  session_.tls_started();
  say("EHLO client.example");
  say("AUTH SCRAM-SHA-256 biwsbj1hbGljZSxyPWFiYw==");  // n,,n=alice,r=abc
  EXPECT_EQ(last_.reply.code, 334);
  EXPECT_EQ(last_.next, Next::ReadResponse);
  EXPECT_EQ(session_.on_response("Yz1iaXdzLHI9YWJj").reply.code, 535) << "no proof in it";
  EXPECT_EQ(say("MAIL FROM:<alice@example.org>"), "530 5.7.0");
  EXPECT_EQ(say("AUTH SCRAM-SHA-256 biwsbj1hbGljZSxyPWFiYw=="), "334");
  EXPECT_EQ(session_.on_response("*").reply.code, 501);
  EXPECT_EQ(say("AUTH CRAM-MD5"), "504 5.5.4");
}

TEST_F(SessionTest, Rfc9422Section41MailmaxCountsAllMailCommands) {
  options_.max_messages_per_connection = 4;
  session_.tls_started();
  say("EHLO client.example");
  EXPECT_NE(last_.reply.wire().find("LIMITS RCPTMAX=1000 MAILMAX=4\r\n"), std::string::npos);
  EXPECT_EQ(say("MAIL FROM:<alice@example.org>"), "530 5.7.0");
  EXPECT_EQ(say("AUTH PLAIN AGFsaWNlAHNlY3JldA=="), "0");
  (void)session_.logged_in({AccountId{1}, "alice@example.org", accounts::AccountClass::Person, false, 0});
  EXPECT_EQ(say("MAIL FROM:<bob@example.org>"), "550 5.7.1");
  EXPECT_EQ(say("MAIL FROM:<"), "501 5.1.7");
  EXPECT_EQ(say("MAIL FROM:<alice@example.org>"), "250 2.1.0") << "the fourth";
  EXPECT_EQ(say("RCPT TO:<bob@example.net>"), "250 2.1.5");
  EXPECT_EQ(say("RSET"), "250 2.0.0");
  EXPECT_EQ(say("MAIL FROM:<alice@example.org>"), "421 4.7.0");
  EXPECT_EQ(last_.next, Next::Close);
}

TEST_F(SessionTest, Rfc9422WithoutALimitNoneIsAnnounced) {
  log_in();
  say("EHLO client.example");
  EXPECT_NE(last_.reply.wire().find("LIMITS RCPTMAX=1000\r\n"), std::string::npos);
  for (int i = 0; i < 1500; ++i) {
    ASSERT_EQ(say("MAIL FROM:<alice@example.org>"), "250 2.1.0");
    ASSERT_EQ(say("RSET"), "250 2.0.0");
  }
}

}  // namespace
}  // namespace postern::submission
