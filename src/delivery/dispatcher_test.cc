#include "delivery/dispatcher.h"

#include "delivery/testing/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace postern::delivery {
namespace {

using ::testing::ElementsAre;
using testing::FakeMx;
using ::testing::HasSubstr;
using testing::kClose;
using testing::kStall;
using ::testing::Not;
using testing::Script;
using ::testing::StartsWith;

/// Mail to example.net (and reports to example.org) through a scripted MX on 127.0.0.1.
class DispatcherTest : public testing::DeliveryTest {
 protected:
  /// One MX for both domains.
  void deliver_to(Script script) {
    mx_ = std::make_unique<FakeMx>(loop_, std::move(script));
    settings_.options.port = mx_->port();
    for (const char* domain : {"example.net", "example.org"}) resolver_.add_mx(domain, {{10, "mx.test"}});
    resolver_.add_host("mx.test", {"127.0.0.1"});
    start();
  }
  ~DispatcherTest() override {
    if (dispatcher_) stop();
  }
  /// The report among what the MX took; empty: none came.
  std::string report() const {
    for (const std::string& content : mx_->contents()) {
      if (content.find("report-type=delivery-status") != std::string::npos) return content;
    }
    return "";
  }

  std::size_t reports_taken() const {
    const std::vector<std::string> all = mx_->contents();
    return static_cast<std::size_t>(std::ranges::count_if(all, [](const std::string& c) {
      return c.find("report-type=delivery-status") != std::string::npos;
    }));
  }

  std::unique_ptr<FakeMx> mx_;
};

TEST_F(DispatcherTest, FreshMessageLeavesSignedAndTheQueueIsEmpty) {
  deliver_to({});
  put(message({"b@example.net"}));
  run_until_left(0);
  ASSERT_EQ(mx_->contents().size(), 1U);
  const std::string content = mx_->contents()[0];
  EXPECT_THAT(content, StartsWith("DKIM-Signature: "));
  EXPECT_THAT(content, ::testing::EndsWith(std::string(kContent)));
  const auto verified = dkim::verify(key_, content);
  EXPECT_TRUE(verified) << verified.error().detail;
  EXPECT_THAT(
      history(),
      HasSubstr("delivered b@example.net: mx.test [127.0.0.1], cleartext (delivery.tls): 250 2.0.0 taken"));
}

TEST_F(DispatcherTest, WhatTheNextHopSignsLeavesAsItCame) {
  settings_.options.sign = Signing::None;
  deliver_to({});
  put(message({"b@example.net"}));
  run_until_left(0);
  ASSERT_EQ(mx_->contents().size(), 1U);
  EXPECT_EQ(mx_->contents()[0], kContent);
}

TEST_F(DispatcherTest, MailOfBeforeTheStartIsFound) {
  put(message({"b@example.net"}));
  deliver_to({});
  run_until_left(0);
  EXPECT_EQ(mx_->contents().size(), 1U);
}

TEST_F(DispatcherTest, LargeMessageIsSignedAndSentInPieces) {
  deliver_to({});
  std::string content(kContent);
  while (content.size() < 300'000) content += ".a line that begins with a dot\r\n";
  put(message({"b@example.net", "c@example.org"}), content);
  run_until_left(0);
  ASSERT_EQ(mx_->contents().size(), 2U);
  std::string received = mx_->contents()[0];
  for (std::size_t at = received.find("\r\n.."); at != std::string::npos;
       at = received.find("\r\n..", at + 2)) {
    received.erase(at + 2, 1);
  }
  EXPECT_TRUE(received.ends_with(content));
  const auto verified = dkim::verify(key_, received);
  EXPECT_TRUE(verified) << verified.error().detail;
}

// RFC 5321 §4.2.1: per recipient; §3.6.3: what we accepted we deliver or report.
TEST_F(DispatcherTest, MixedRepliesDeliverDeferAndReport) {
  deliver_to({.rules = {{"RCPT TO:<later@", "450 4.2.0 busy"}, {"RCPT TO:<nobody@", "550 5.1.1 who"}}});
  put(message({"b@example.net", "later@example.net", "nobody@example.net"}));
  run_until_left(1);

  const std::vector<queue::Listed> left = listed();
  ASSERT_EQ(left[0].recipients.size(), 1U);
  EXPECT_EQ(left[0].recipients[0].address, "later@example.net");
  EXPECT_EQ(left[0].recipients[0].attempts, 1U);
  EXPECT_EQ(left[0].recipients[0].status, "4.2.0");
  EXPECT_GE(left[0].recipients[0].next_attempt, clock_.now() + std::chrono::minutes{24});
  EXPECT_LE(left[0].recipients[0].next_attempt, clock_.now() + std::chrono::minutes{36});

  EXPECT_THAT(
      report(),
      HasSubstr("Final-Recipient: rfc822; nobody@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n"));
  EXPECT_THAT(report(), HasSubstr("Remote-MTA: dns; mx.test\r\nDiagnostic-Code: smtp; 550 5.1.1 who\r\n"));
  EXPECT_THAT(report(), Not(HasSubstr("later@example.net")));
  EXPECT_THAT(mx_->transcript(), HasSubstr("MAIL FROM:<> "));
  EXPECT_THAT(mx_->transcript(), HasSubstr("RCPT TO:<anna@example.org> NOTIFY=NEVER\n"));
}

TEST_F(DispatcherTest, RetryComesWhenItIsDueWithTheSameSignature) {
  deliver_to({.rules = {{".", "451 4.3.0 later", 1}}});
  put(message({"b@example.net"}));
  run_until_left(1);
  EXPECT_EQ(mx_->contents().size(), 1U);
  clock_.advance(std::chrono::minutes{10});
  dispatcher_->wake();
  run_until_left(1);
  EXPECT_EQ(mx_->contents().size(), 1U) << "not due yet";
  clock_.advance(std::chrono::minutes{30});
  dispatcher_->try_now();  // 451 4.3.0 is about the site, whose pause runs by another clock
  run_until_left(0);
  ASSERT_EQ(mx_->contents().size(), 2U);
  EXPECT_EQ(mx_->contents()[0], mx_->contents()[1]) << "signed once";
}

// RFC 5321 §4.5.4.1
TEST_F(DispatcherTest, GivesUpAfterFiveDaysAndReports) {
  deliver_to({.rules = {{"RCPT TO:<b@", "450 4.2.1 busy"}}});
  put(message({"b@example.net"}));
  run_until_left(1);
  clock_.advance(std::chrono::hours{121});
  dispatcher_->wake();
  run_until_left(0);
  EXPECT_THAT(report(), HasSubstr("Action: failed\r\nStatus: 5.4.7\r\n"));
  EXPECT_THAT(report(), HasSubstr("Diagnostic-Code: smtp; 450 4.2.1 busy"));
}

/// RFC 3461 §5.2.6 and RFC 5321 §4.5.5.
TEST_F(DispatcherTest, NoReportToNobodyOrWhoWantsNone) {
  using smtp::Notify;
  const struct {
    const char* sender;
    std::uint8_t notify;
    bool report;
  } cases[] = {{"anna@example.org", 0, true},
               {"anna@example.org", Notify::kFailure, true},
               {"anna@example.org", Notify::kFailure | Notify::kDelay, true},
               {"anna@example.org", Notify::kNever, false},
               {"anna@example.org", Notify::kSuccess | Notify::kDelay, false},
               {"", 0, false},
               {"", Notify::kFailure, false}};
  deliver_to({.rules = {{"RCPT TO:<nobody@", "550 5.1.1 who"}}});
  std::size_t reports = 0;
  for (const auto& c : cases) {
    queue::NewMessage m = message({"nobody@example.net"});
    m.envelope.reverse_path = c.sender;
    m.envelope.recipients[0].notify.bits = c.notify;
    put(std::move(m));
    run_until_left(0);
    if (c.report) ++reports;
    EXPECT_EQ(reports_taken(), reports) << '<' << c.sender << "> " << int{c.notify};
  }
}

TEST_F(DispatcherTest, FailureIsNotSettledBeforeItsReportIsQueued) {
  deliver_to({.rules = {{"RCPT TO:<nobody@", "550 5.1.1 who"}}});
  store_works_ = false;
  put(message({"nobody@example.net"}));
  run_until_left(1);
  EXPECT_EQ(report(), "");
  store_works_ = true;
  clock_.advance(std::chrono::minutes{6});
  dispatcher_->wake();
  run_until_left(0);
  EXPECT_THAT(report(), HasSubstr("nobody@example.net"));
}

TEST_F(DispatcherTest, EnvelopeIdAndReturnFullComeBackInTheReport) {
  deliver_to({.rules = {{"RCPT TO:<nobody@", "550 5.1.1 who"}}});
  queue::NewMessage m = message({"nobody@example.net"});
  m.envelope.params.envid = "QQ+2B7";
  m.envelope.params.ret = smtp::Ret::Full;
  m.envelope.recipients[0].orcpt = "rfc822;other@example.net";
  put(std::move(m));
  run_until_left(0);
  EXPECT_THAT(report(), HasSubstr("Original-Envelope-Id: QQ+7\r\n"));
  EXPECT_THAT(report(), HasSubstr("Original-Recipient: rfc822; other@example.net\r\n"));
  EXPECT_THAT(report(), HasSubstr("Content-Type: message/rfc822\r\n\r\n" + std::string(kContent)));
}

TEST_F(DispatcherTest, RecipientsOfOneDomainShareOneTransaction) {
  deliver_to({});
  put(message({"a@example.net", "b@example.net", "c@example.net"}));
  run_until_left(0);
  EXPECT_EQ(mx_->contents().size(), 1U);
}

// RFC 5321 §4.5.3.1.10
TEST_F(DispatcherTest, TooManyRecipientsGoInASecondTransaction) {
  deliver_to({.rules = {{"RCPT TO:<a", "250 ok"}, {"RCPT TO:<b", "452 4.5.3 too many", 1}}});
  put(message({"a1@example.net", "a2@example.net", "b1@example.net"}));
  run_until_left(0);
  EXPECT_EQ(mx_->contents().size(), 2U);
  EXPECT_EQ(mx_->sessions().size(), 1U);
}

TEST_F(DispatcherTest, MoreThanAHundredRecipientsAreSplit) {
  deliver_to({});
  std::vector<std::string> many;
  for (int i = 0; i < 250; ++i) many.push_back("r" + std::to_string(i) + "@example.net");
  put(message(many));
  run_until_left(0);
  EXPECT_EQ(mx_->contents().size(), 3U);
}

TEST_F(DispatcherTest, ConnectionIsUsedAgain) {
  deliver_to({});
  for (int i = 0; i < 5; ++i) {
    put(message({"b@example.net"}));
    run_until_left(0);
  }
  EXPECT_EQ(mx_->contents().size(), 5U);
  EXPECT_EQ(mx_->sessions().size(), 1U);
}

TEST_F(DispatcherTest, ConnectionEndsAfterItsShareOfMessages) {
  settings_.options.max_messages_per_connection = 2;
  settings_.options.max_connections = 1;
  deliver_to({});
  for (int i = 0; i < 6; ++i) put(message({"b@example.net"}));
  run_until_left(0);
  EXPECT_EQ(mx_->contents().size(), 6U);
  EXPECT_EQ(mx_->sessions().size(), 3U);
}

/// A backlog over one connection: envelopes travel ahead (RFC 2920 §3.1), and a loss in between costs one
/// message an attempt, not its neighbours.
TEST_F(DispatcherTest, BacklogSurvivesALostConnection) {
  settings_.options.max_connections = 1;
  for (int i = 0; i < 40; ++i) put(message({"r" + std::to_string(i) + "@example.net"}));
  deliver_to({.rules = {{".", "250 2.0.0 taken", 7}, {".", std::string(kClose), 1}}});
  run_until_left(1);
  EXPECT_EQ(mx_->contents().size(), 40U);
  EXPECT_EQ(mx_->sessions().size(), 2U);
  const std::vector<queue::Listed> left = listed();
  EXPECT_EQ(left[0].recipients[0].status, "4.4.2");
}

TEST_F(DispatcherTest, KeptConnectionThatWasClosedCostsNoAttempt) {
  deliver_to({.rules = {{"MAIL", "250 ok", 1}, {"MAIL", std::string(kClose), 1}}});
  put(message({"a@example.net"}));
  run_until_left(0);
  put(message({"b@example.net"}));
  run_until_left(0);
  EXPECT_EQ(mx_->contents().size(), 2U);
  EXPECT_EQ(mx_->sessions().size(), 2U);
  EXPECT_THAT(history(), Not(HasSubstr("deferred")));
}

// RFC 5321 §3.8, §6.1: after the dot a duplicate is possible, a loss is not.
TEST_F(DispatcherTest, ConnectionLostAfterTheDotIsTriedAgain) {
  deliver_to({.rules = {{".", std::string(kClose), 1}}});
  put(message({"b@example.net"}));
  run_until_left(1);
  EXPECT_THAT(history(), HasSubstr("deferred b@example.net"));
  clock_.advance(std::chrono::hours{1});
  dispatcher_->wake();
  run_until_left(0);
  EXPECT_EQ(mx_->contents().size(), 2U);
}

TEST_F(DispatcherTest, DeadAddressesAreSkipped) {
  mx_ = std::make_unique<FakeMx>(loop_, Script{});
  settings_.options.port = mx_->port();
  resolver_.add_mx("example.net", {{10, "dead.test"}, {20, "mx.test"}});
  resolver_.add_host("dead.test", {"127.0.0.2", "::1", "127.0.0.3"});
  resolver_.add_host("mx.test", {"127.0.0.1"});
  start();
  put(message({"b@example.net"}));
  run_until_left(0);
  EXPECT_EQ(mx_->contents().size(), 1U);
}

// RFC 5321 §5.1: with MX records the domain's own address is never used.
TEST_F(DispatcherTest, DomainsOwnAddressIsNotUsedWhenItsMxIsDead) {
  mx_ = std::make_unique<FakeMx>(loop_, Script{});
  settings_.options.port = mx_->port();
  resolver_.add_mx("example.net", {{10, "dead.test"}});
  resolver_.add_host("dead.test", {"127.0.0.2"});
  resolver_.add_host("example.net", {"127.0.0.1"});
  start();
  put(message({"b@example.net"}));
  run_until_left(1);
  EXPECT_TRUE(mx_->sessions().empty());
  // The next message does not even try: the host was dead a moment ago.
  put(message({"c@example.net"}));
  run_until_left(2);
  EXPECT_TRUE(mx_->sessions().empty());
}

TEST_F(DispatcherTest, MissingDomainAndNullMxAreReportedAtOnce) {
  deliver_to({});
  resolver_.add_null_mx("null.test");
  put(message({"b@missing.test", "c@null.test"}));
  run_until_left(0);
  EXPECT_THAT(report(),
              HasSubstr("Final-Recipient: rfc822; b@missing.test\r\nAction: failed\r\nStatus: 5.1.2\r\n"));
  EXPECT_THAT(report(),
              HasSubstr("Final-Recipient: rfc822; c@null.test\r\nAction: failed\r\nStatus: 5.1.10\r\n"));
  EXPECT_THAT(report(), Not(HasSubstr("Remote-MTA"))) << "nobody was asked";
}

// RFC 7504 §4
TEST_F(DispatcherTest, Banner521SendsTheMailBack) {
  deliver_to({.rules = {{"banner", "521 5.3.2 takes no mail", 1}}});
  put(message({"b@example.net"}));
  run_until_left(0);
  EXPECT_THAT(
      report(),
      HasSubstr(
          "Status: 5.3.2\r\nRemote-MTA: dns; mx.test\r\nDiagnostic-Code: smtp; 521 5.3.2 takes no mail\r\n"));
}

// RFC 7435: TLS that does not work is followed by cleartext, unless TLS is required.
TEST_F(DispatcherTest, BrokenStartTlsFallsBackToClearText) {
  settings_.map.manners.tls = TlsPolicy::Opportunistic;
  settings_.map.manners.tls_client =
      *net::TlsClient::create({.verify = net::TlsClient::Verify::None, .ca_file = ""});
  deliver_to({.extensions = {"STARTTLS", "PIPELINING"}, .rules = {}});
  put(message({"b@example.net"}));
  run_until_left(0);
  EXPECT_EQ(mx_->contents().size(), 1U);
  EXPECT_EQ(mx_->sessions().size(), 2U);
  EXPECT_THAT(history(), HasSubstr("cleartext"));
}

TEST_F(DispatcherTest, SmarthostTakesEverything) {
  mx_ = std::make_unique<FakeMx>(loop_, Script{});
  Relay relay;
  relay.where.host = "127.0.0.1";
  relay.where.port = mx_->port();
  relay.manners.tls = TlsPolicy::None;
  settings_.map.relays["relay"] = relay;
  RouteChoice all;
  all.action = RouteAction::Smarthost;
  all.smarthost = "relay";
  settings_.map.routes = *RouteTable::make({}, all);
  start();
  put(message({"b@example.net", "c@example.com"}));
  run_until_left(0);
  EXPECT_EQ(mx_->contents().size(), 1U) << "one transaction, whatever the domains";
}

TEST_F(DispatcherTest, SandboxKeepsWhatWouldHaveLeft) {
  settings_.options.mode = Mode::Sandbox;
  start();
  const queue::NewMessage m = message({"b@example.net", "c@example.com"});
  put(m);
  run_until_left(0);
  const Sandbox sandbox(settings_.sandbox_directory);
  const Result<SandboxEntry> entry = sandbox.find(m.id);
  ASSERT_TRUE(entry) << entry.error().detail;
  EXPECT_THAT(entry->recipients, ElementsAre("b@example.net", "c@example.com"));
  const Result<std::string> content = sandbox.read(m.id);
  ASSERT_TRUE(content) << content.error().detail;
  const auto verified = dkim::verify(key_, *content);
  EXPECT_TRUE(verified) << verified.error().detail;
}

TEST_F(DispatcherTest, StopLeavesWhatIsNotFinishedInTheQueue) {
  settings_.options.max_connections = 1;
  deliver_to({.rules = {{".", std::string(kStall)}}});
  put(message({"a@example.net"}));
  put(message({"b@example.net"}));
  run_until([this] { return !mx_->contents().empty(); });
  stop(std::chrono::milliseconds{50});
  const std::vector<queue::Listed> left = listed();
  ASSERT_EQ(left.size(), 2U);
  std::size_t attempts = 0;
  for (const queue::Listed& l : left) attempts += l.recipients[0].attempts;
  EXPECT_EQ(attempts, 1U) << "one was cut off, the other never tried";
}

}  // namespace
}  // namespace postern::delivery
