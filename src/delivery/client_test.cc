#include "delivery/client.h"

#include "delivery/testing/fake_mx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace postern::delivery {
namespace {

using ::testing::ElementsAre;
using testing::FakeMx;
using ::testing::HasSubstr;
using testing::kClose;
using testing::kStall;
using ::testing::Not;
using testing::Rule;
using testing::Script;
using ::testing::StartsWith;

constexpr std::string_view kMessage = "Subject: hi\r\n\r\nbody\r\n";

/// What one session with the fake next hop came to.
struct Conversation {
  Outcome open_failure;
  bool opened = false;
  bool tls_broke = false;
  std::vector<TransactionResult> results;
  std::string transcript;
  std::vector<std::string> contents;
  std::size_t sessions = 0;
};

struct Offer {
  std::vector<std::string> recipients{"b@example.net"};
  std::string sender = "a@example.org";
  std::string message{kMessage};
  bool eight_bit = false;
  bool smtputf8 = false;
  bool binary = false;
  smtp::MailParams params;
  std::uint8_t notify = 0;
  std::string orcpt;
  std::chrono::seconds by_left{90};
};

class ClientTest : public ::testing::Test {
 protected:
  /// One session that offers each of `offers` and says QUIT.
  Conversation converse(Script script, std::vector<Offer> offers) {
    FakeMx mx(loop_, std::move(script));
    Conversation out;
    loop_.spawn(run(mx.port(), std::move(offers), out));
    loop_.run();
    out.transcript = mx.transcript();
    out.contents = mx.contents();
    out.sessions = mx.sessions().size();
    return out;
  }

  net::Task<> run(std::uint16_t port, std::vector<Offer> offers, Conversation& out) {
    Target target{"mx.test", *net::Endpoint::parse("127.0.0.1:" + std::to_string(port))};
    Client::Opened opened = co_await Client::open(
        loop_, std::move(target), manners_, Client::Setting{hostname_, options_, clock_, replies_, egress_});
    out.opened = opened.client != nullptr;
    out.open_failure = opened.failure;
    out.tls_broke = opened.tls_broke;
    for (std::size_t i = 0; opened.client && opened.client->usable() && i < offers.size(); ++i) {
      TransactionResult result = co_await send(*opened.client, offers[i]);
      out.results.push_back(std::move(result));
    }
    if (opened.client) co_await opened.client->quit();
    loop_.stop();
  }

  template <class Listener>
  net::Task<> look_later(const Listener& listener, ssize_t& received) {
    co_await loop_.sleep_until(clock_.steady_now() + std::chrono::milliseconds{50});
    received = listener.received();
  }

  static net::Task<TransactionResult> send(Client& client, const Offer& offer) {
    smtp::Envelope envelope;
    envelope.reverse_path = offer.sender;
    envelope.params = offer.params;
    std::vector<std::uint32_t> indices;
    for (const std::string& r : offer.recipients) {
      indices.push_back(static_cast<std::uint32_t>(indices.size()));
      smtp::Recipient recipient;
      recipient.address = r;
      recipient.orcpt = offer.orcpt;
      recipient.domain = recipient.address.substr(recipient.address.find('@') + 1);
      envelope.recipients.push_back(std::move(recipient));
    }
    MemoryContent content("", offer.message);
    const Transaction transaction{.envelope = envelope,
                                  .recipients = indices,
                                  .eight_bit = offer.eight_bit,
                                  .smtputf8 = offer.smtputf8,
                                  .binary = offer.binary,
                                  .content = content,
                                  .by_left = offer.by_left};
    TransactionResult result = co_await client.send(transaction);
    co_return result;
  }

  static std::string decisions(const TransactionResult& result) {
    std::string out;
    for (const auto& outcome : result.outcomes) {
      if (!out.empty()) out += ' ';
      out += outcome ? std::string(to_string(outcome->decision)) + ":" + outcome->status : "again";
    }
    return out;
  }

  net::Loop loop_;
  SystemClock clock_;
  Options options_;
  std::string hostname_ = "postern.example.org";
  std::vector<ReplyRule> replies_;
  Egress egress_;
  Manners manners_{.tls = TlsPolicy::None, .tls_client = nullptr, .user = "", .password = ""};
};

TEST_F(ClientTest, DeliversAndEndsWithQuit) {
  const Conversation got = converse({}, {Offer{}});
  ASSERT_EQ(got.results.size(), 1U) << got.open_failure.text;
  EXPECT_EQ(decisions(got.results[0]), "done:2.0.0");
  EXPECT_EQ(
      got.transcript,
      "EHLO postern.example.org\nMAIL FROM:<a@example.org> SIZE=21\nRCPT TO:<b@example.net>\nDATA\nQUIT\n");
  EXPECT_THAT(got.contents, ElementsAre(kMessage));
}

TEST_F(ClientTest, OneSessionCarriesSeveralMessages) {
  const Conversation got = converse({}, {Offer{}, Offer{}, Offer{}});
  ASSERT_EQ(got.results.size(), 3U);
  EXPECT_EQ(got.sessions, 1U);
  EXPECT_EQ(got.contents.size(), 3U);
}

/// RFC 5321 §4.2.1, §4.3.2: codes decide, per recipient.
struct ReplyCase {
  const char* name;
  std::vector<Rule> rules;
  std::string decisions;
  std::size_t contents;
};

class ClientReplyTest : public ClientTest,
                        public ::testing::WithParamInterface<std::tuple<ReplyCase, bool>> {};

TEST_P(ClientReplyTest, DecidesPerRecipient) {
  const auto& [c, pipelining] = GetParam();
  Script script;
  script.rules = c.rules;
  if (!pipelining) script.extensions = {"8BITMIME"};
  Offer offer;
  offer.recipients = {"b1@example.net", "b2@example.net", "b3@example.net"};
  const Conversation got = converse(script, {offer});
  ASSERT_EQ(got.results.size(), 1U) << got.open_failure.text;
  EXPECT_EQ(decisions(got.results[0]), c.decisions) << got.transcript;
  const auto whole =
      std::ranges::count_if(got.contents, [](const std::string& content) { return !content.empty(); });
  EXPECT_EQ(static_cast<std::size_t>(whole), c.contents);
}

const ReplyCase kReplyCases[] = {
    {"mixed",
     {{"RCPT TO:<b2", "450 4.2.0 busy"}, {"RCPT TO:<b3", "550 5.1.1 who"}},
     "done:2.0.0 retry:4.2.0 failed:5.1.1",
     1},
    {"all_refused", {{"RCPT", "550 no"}}, "failed:5.0.0 failed:5.0.0 failed:5.0.0", 0},
    {"all_refused_data_refused",
     {{"RCPT", "550 no"}, {"DATA", "554 no valid recipients"}},
     "failed:5.0.0 failed:5.0.0 failed:5.0.0",
     0},
    {"mail_refused",
     {{"MAIL", "550 5.7.1 not you"}, {"RCPT", "503 no"}, {"DATA", "503 no"}},
     "failed:5.7.1 failed:5.7.1 failed:5.7.1",
     0},
    {"mail_later",
     {{"MAIL", "451 4.3.0 later"}, {"RCPT", "503 no"}, {"DATA", "503 no"}},
     "retry:4.3.0 retry:4.3.0 retry:4.3.0",
     0},
    {"data_refused",
     {{"DATA", "451 no"}, {"RCPT TO:<b1", "550 no"}},
     "failed:5.0.0 retry:4.0.0 retry:4.0.0",
     0},
    {"data_not_354", {{"DATA", "250 what"}}, "retry:4.0.0 retry:4.0.0 retry:4.0.0", 0},
    {"dot_refused", {{".", "554 5.7.1 spam"}}, "failed:5.7.1 failed:5.7.1 failed:5.7.1", 1},
    {"dot_later",
     {{".", "452 4.3.1 full"}, {"RCPT TO:<b2", "551 no"}},
     "retry:4.3.1 failed:5.0.0 retry:4.3.1",
     1},
    {"close_after_dot", {{".", std::string(kClose)}}, "retry:4.4.2 retry:4.4.2 retry:4.4.2", 1},
    {"unknown_codes",
     {{"RCPT TO:<b1", "299 fine"}, {"RCPT TO:<b2", "599 5.9.9 odd"}, {"RCPT TO:<b3", "499 odd"}},
     "done:2.0.0 failed:5.9.9 retry:4.0.0",
     1},
    {"multi_line",
     {{"RCPT TO:<b1", "250-one\r\n250-two\r\n250 three"}, {"RCPT TO:<b2", "550-5.1.1 one\r\n550 5.1.1 two"}},
     "done:2.0.0 failed:5.1.1 done:2.0.0",
     1},
    {"no_text", {{"RCPT TO:<b1", "250"}, {"RCPT TO:<b2", "550"}}, "done:2.0.0 failed:5.0.0 done:2.0.0", 1},
    {"wrong_enhanced_class",
     {{"RCPT TO:<b2", "550 4.1.1 contradictory"}},
     "done:2.0.0 failed:5.0.0 done:2.0.0",
     1},
    {"too_many",
     {{"RCPT TO:<b2", "452 4.5.3 too many"}, {"RCPT TO:<b3", "552 too many"}},
     "done:2.0.0 again again",
     1},
    {"too_many_at_the_first", {{"RCPT", "452 4.5.3 too many"}}, "retry:4.5.3 retry:4.5.3 retry:4.5.3", 0},
    {"rcpt_552_alone", {{"RCPT", "552 full"}}, "retry:4.0.0 retry:4.0.0 retry:4.0.0", 0},
};

INSTANTIATE_TEST_SUITE_P(Rfc5321Section42, ClientReplyTest,
                         ::testing::Combine(::testing::ValuesIn(kReplyCases), ::testing::Bool()),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param).name) +
                                  (std::get<1>(test.param) ? "_pipelined" : "_stepwise");
                         });

TEST_F(ClientTest, TransactionAfterARefusedOneStartsWithReset) {
  for (const bool pipelining : {true, false}) {
    Script script;
    if (!pipelining) script.extensions.clear();
    script.rules = {{"RCPT", "550 no", 1}, {"DATA", "554 none", 1}};
    if (!pipelining) script.rules.pop_back();
    const Conversation got = converse(script, {Offer{}, Offer{}});
    ASSERT_EQ(got.results.size(), 2U);
    EXPECT_EQ(decisions(got.results[1]), "done:2.0.0");
    EXPECT_THAT(got.transcript, HasSubstr("RSET\nMAIL"));
  }
}

// RFC 2920 §3.1: 354 although all recipients were refused.
TEST_F(ClientTest, DataAcceptedWithoutRecipientsGetsAnEmptyMessage) {
  Script script;
  script.rules = {{"RCPT", "550 no", 1}};
  const Conversation got = converse(script, {Offer{}, Offer{}});
  ASSERT_EQ(got.results.size(), 2U);
  EXPECT_EQ(decisions(got.results[0]), "failed:5.0.0");
  EXPECT_EQ(decisions(got.results[1]), "done:2.0.0");
  EXPECT_THAT(got.contents, ElementsAre("", kMessage));
}

TEST_F(ClientTest, WithoutPipeliningNothingIsSentAhead) {
  Script script;
  script.extensions.clear();
  script.rules = {{"RCPT", "550 no"}};
  const Conversation got = converse(script, {Offer{}});
  EXPECT_THAT(got.transcript, Not(HasSubstr("DATA"))) << "RFC 5321 §3.3: no recipient, no DATA";
}

TEST_F(ClientTest, ConnectionLostAfterTheDotIsRetry) {
  Script script;
  script.rules = {{".", std::string(kClose)}};
  const Conversation got = converse(script, {Offer{}});
  ASSERT_EQ(got.results.size(), 1U);
  ASSERT_TRUE(got.results[0].outcomes[0]);
  EXPECT_EQ(got.results[0].outcomes[0]->decision, Decision::Retry);
  EXPECT_THAT(got.results[0].outcomes[0]->text, HasSubstr("message"));
  EXPECT_FALSE(got.results[0].untouched);
}

// What a broken or hostile server says is kept for the trace, and is no answer.
TEST_F(ClientTest, BrokenAnswersAreToldAndNothingIsConcludedFromThem) {
  const struct {
    Rule rule;
    const char* told;
  } cases[] = {{{"RCPT", "hello \x1b[31m"}, "not an SMTP reply: \"hello ?[31m\""},
               {{"RCPT", "250 ok\n354 go"}, "a bare line feed in a reply: \"250 ok?354 go\""},
               {{"MAIL", "250-a\r\n550 b"}, "different codes: \"550 b\""},
               {{"RCPT", std::string(3000, '2')}, "line too long"}};
  for (const auto& c : cases) {
    Script script;
    script.extensions.clear();
    script.rules = {c.rule};
    const Conversation got = converse(script, {Offer{}});
    ASSERT_EQ(got.results.size(), 1U);
    EXPECT_EQ(decisions(got.results[0]), "retry:4.5.0");
    EXPECT_THAT(got.results[0].outcomes[0]->text, HasSubstr(c.told));
  }
}

TEST_F(ClientTest, AnswersInAdvanceAreNotTakenForAnswers) {
  Script script;
  script.rules = {{"banner", "220 x\r\n250-x\r\n250 PIPELINING\r\n250 m\r\n250 r\r\n354 d\r\n250 taken"}};
  const Conversation got = converse(script, {Offer{}});
  EXPECT_FALSE(got.opened);
  EXPECT_EQ(got.open_failure.status, "4.5.0");
  EXPECT_THAT(got.open_failure.text, HasSubstr("an answer that nobody asked for: \"250-x"));
  script.rules = {{".", "250 taken\r\n250 m\r\n250 r\r\n354 d\r\n250 taken"}};
  const Conversation second = converse(script, {Offer{}, Offer{}});
  ASSERT_EQ(second.results.size(), 2U);
  EXPECT_EQ(decisions(second.results[0]), "done:2.0.0");
  EXPECT_EQ(decisions(second.results[1]), "retry:4.5.0");
  EXPECT_EQ(second.contents.size(), 1U);
}

TEST_F(ClientTest, ClosedBeforeMailIsUntouched) {
  Script script;
  script.rules = {{"MAIL", std::string(kClose)}};
  const Conversation got = converse(script, {Offer{}});
  ASSERT_EQ(got.results.size(), 1U);
  EXPECT_TRUE(got.results[0].untouched);
}

struct StallCase {
  const char* name;
  std::chrono::seconds Options::*timeout;
};
class ClientTimeoutTest : public ClientTest, public ::testing::WithParamInterface<StallCase> {};

TEST_P(ClientTimeoutTest, StalledServerEndsInRetry) {
  const std::string stage = GetParam().name;
  options_.*GetParam().timeout = std::chrono::seconds{0};  // the smallest wait there is
  Script script;
  script.extensions.clear();
  script.rules = {{stage == "Dot" ? "." : stage == "Banner" ? "banner" : stage, std::string(kStall)}};
  const Conversation got = converse(script, {Offer{}});
  if (got.opened) {
    ASSERT_EQ(got.results.size(), 1U);
    EXPECT_EQ(got.results[0].outcomes[0]->decision, Decision::Retry);
  } else {
    EXPECT_EQ(got.open_failure.decision, Decision::Retry);
  }
}

INSTANTIATE_TEST_SUITE_P(Rfc5321Section4532, ClientTimeoutTest,
                         ::testing::Values(StallCase{"Banner", &Options::banner_timeout},
                                           StallCase{"EHLO", &Options::command_timeout},
                                           StallCase{"DATA", &Options::data_timeout},
                                           StallCase{"Dot", &Options::final_timeout}),
                         [](const auto& test) { return std::string(test.param.name); });

/// A listener that never accepts by itself: what a client sends without being greeted can be looked at.
class SilentListener {
 public:
  SilentListener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd_, 1), 0);
    socklen_t length = sizeof address;
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length), 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentListener() { ::close(fd_); }
  SilentListener(const SilentListener&) = delete;
  SilentListener& operator=(const SilentListener&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// Octets that the client has sent so far; -1: none.
  [[nodiscard]] ssize_t received() const {
    const int connection = ::accept(fd_, nullptr, nullptr);
    char buffer[64];
    const ssize_t n = ::recv(connection, buffer, sizeof buffer, MSG_DONTWAIT);
    ::close(connection);
    return n;
  }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

// RFC 5321 §4.3.1
TEST_F(ClientTest, NothingIsSentBeforeTheBanner) {
  const SilentListener listener;
  options_.banner_timeout = std::chrono::seconds{1};
  Conversation out;
  loop_.spawn(run(listener.port(), {Offer{}}, out));
  ssize_t received = 0;
  loop_.spawn(look_later(listener, received));
  loop_.run();
  EXPECT_EQ(received, -1) << "the client spoke first";
  EXPECT_FALSE(out.opened);
}

TEST_F(ClientTest, BannerDecidesWhetherTheHostCanBeUsed) {
  const struct {
    const char* banner;
    Decision decision;
  } cases[] = {{"521 5.3.2 no mail here", Decision::Failed},
               {"554 no", Decision::Failed},
               {"421 4.3.2 busy", Decision::Retry}};
  for (const auto& c : cases) {
    Script script;
    script.rules = {{"banner", c.banner}};
    const Conversation got = converse(script, {Offer{}});
    EXPECT_FALSE(got.opened);
    EXPECT_EQ(got.open_failure.decision, c.decision) << c.banner;
    EXPECT_EQ(got.transcript, "QUIT\n") << c.banner;
  }
}

TEST_F(ClientTest, UnknownEhloFallsBackToHelo) {
  for (const char* refusal : {"500 what", "502 no such command"}) {
    Script script;
    script.rules = {{"EHLO", refusal}};
    const Conversation got = converse(script, {Offer{}});
    ASSERT_EQ(got.results.size(), 1U);
    EXPECT_EQ(decisions(got.results[0]), "done:2.0.0");
    EXPECT_THAT(
        got.transcript,
        StartsWith("EHLO postern.example.org\nHELO postern.example.org\nMAIL FROM:<a@example.org>\n"));
  }
}

/// RFC 5321 §3.3: what was not announced is not used.
TEST_F(ClientTest, ParametersOnlyWhenAnnounced) {
  Offer offer;
  offer.eight_bit = true;
  offer.params.envid = "id+2B1";
  offer.params.ret = smtp::Ret::Headers;
  offer.orcpt = "rfc822;B+40example.net";
  Script all;
  const Conversation with = converse(all, {offer});
  EXPECT_THAT(with.transcript,
              HasSubstr("MAIL FROM:<a@example.org> SIZE=21 BODY=8BITMIME RET=HDRS ENVID=id+2B1\n"));
  EXPECT_THAT(with.transcript, HasSubstr("RCPT TO:<b@example.net> ORCPT=rfc822;B+40example.net\n"));

  Script few;
  few.extensions = {"8BITMIME"};
  const Conversation without = converse(few, {offer});
  EXPECT_THAT(without.transcript,
              HasSubstr("MAIL FROM:<a@example.org> BODY=8BITMIME\nRCPT TO:<b@example.net>\nDATA\n"));
}

TEST_F(ClientTest, WhatTheNextHopCannotTakeIsNotSent) {
  Script small;
  small.extensions = {"SIZE 20"};
  Offer big;
  const Conversation too_big = converse(small, {big});
  EXPECT_EQ(decisions(too_big.results[0]), "failed:5.3.4");
  EXPECT_THAT(too_big.transcript, Not(HasSubstr("MAIL")));

  Offer eight;
  eight.eight_bit = true;
  EXPECT_EQ(decisions(converse(small, {eight}).results[0]), "failed:5.3.4");
  Script seven;
  seven.extensions = {"PIPELINING"};
  EXPECT_EQ(decisions(converse(seven, {eight}).results[0]), "failed:5.6.3");
  Offer utf8;
  utf8.smtputf8 = true;
  EXPECT_EQ(decisions(converse(seven, {utf8}).results[0]), "failed:5.6.7");
}

TEST_F(ClientTest, Rfc3030Section3BinaryGoesOnlyWhereItIsKnown) {
  Offer binary;
  binary.binary = true;
  binary.eight_bit = true;
  Script chunks;
  chunks.extensions = {"CHUNKING", "8BITMIME"};
  EXPECT_EQ(decisions(converse(chunks, {binary}).results[0]), "failed:5.6.3");
  chunks.extensions = {"CHUNKING", "BINARYMIME", "8BITMIME"};
  const Conversation sent = converse(chunks, {binary});
  EXPECT_THAT(sent.transcript, HasSubstr("MAIL FROM:<a@example.org> BODY=BINARYMIME\n"));
  EXPECT_THAT(sent.transcript, HasSubstr("BDAT "));
}

// RFC 5321 §4.5.2: dots are stuffed, CRLF.CRLF ends, and no line is added.
TEST_F(ClientTest, ContentOnTheWireIsDotStuffed) {
  Offer offer;
  offer.message = "Subject: x\r\n\r\n.\r\n..a\r\n.b\r\nc.\r\n";
  const Conversation got = converse({}, {offer});
  EXPECT_THAT(got.contents, ElementsAre("Subject: x\r\n\r\n..\r\n...a\r\n..b\r\nc.\r\n"));
}

/// RFC 2920 §3.1: a group may begin with content. What happens to the first message does not touch the
/// second.
class ClientAheadTest : public ClientTest {
 protected:
  net::Task<> run_two(std::uint16_t port, std::vector<TransactionResult>& results) {
    Target target{"mx.test", *net::Endpoint::parse("127.0.0.1:" + std::to_string(port))};
    Client::Opened opened = co_await Client::open(
        loop_, std::move(target), manners_, Client::Setting{hostname_, options_, clock_, replies_, egress_});
    smtp::Envelope envelope;
    envelope.recipients.emplace_back().address = "b@example.net";
    const std::vector<std::uint32_t> one{0};
    MemoryContent first("", kMessage);
    MemoryContent second("X-Second: yes\r\n", kMessage);
    const Transaction a{
        .envelope = envelope, .recipients = one, .eight_bit = false, .smtputf8 = false, .content = first};
    const Transaction b{
        .envelope = envelope, .recipients = one, .eight_bit = false, .smtputf8 = false, .content = second};
    TransactionResult result = co_await opened.client->send(a, &b);
    results.push_back(std::move(result));
    if (opened.client->usable()) {
      result = co_await opened.client->send(b);
      results.push_back(std::move(result));
    }
    co_await opened.client->quit();
    loop_.stop();
  }

  std::vector<TransactionResult> two(FakeMx& mx) {
    std::vector<TransactionResult> results;
    loop_.spawn(run_two(mx.port(), results));
    loop_.run();
    return results;
  }
};

TEST_F(ClientAheadTest, SecondMessageFollowsWithoutWaiting) {
  FakeMx mx(loop_, {});
  const std::vector<TransactionResult> results = two(mx);
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(decisions(results[0]) + decisions(results[1]), "done:2.0.0done:2.0.0");
  EXPECT_THAT(mx.contents(), ElementsAre(kMessage, "X-Second: yes\r\n" + std::string(kMessage)));
}

TEST_F(ClientAheadTest, FirstRefusedAtTheDotOrBeforeLeavesTheSecondAlone) {
  for (const Rule& rule :
       {Rule{".", "554 5.7.1 spam", 1}, Rule{"RCPT", "550 5.1.1 no", 1}, Rule{"MAIL", "550 5.7.1 no", 1}}) {
    FakeMx mx(loop_, {.rules = {rule}});
    const std::vector<TransactionResult> results = two(mx);
    ASSERT_EQ(results.size(), 2U) << rule.command;
    EXPECT_THAT(decisions(results[0]), StartsWith("failed:5.")) << rule.command;
    EXPECT_EQ(decisions(results[1]), "done:2.0.0") << rule.command;
  }
}

TEST_F(ClientAheadTest, LostConnectionEndsTheSession) {
  FakeMx mx(loop_, {.rules = {{".", std::string(kClose)}}});
  const std::vector<TransactionResult> results = two(mx);
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(decisions(results[0]), "retry:4.4.2");
}

TEST_F(ClientAheadTest, WithoutPipeliningNothingGoesAhead) {
  FakeMx mx(loop_, {.extensions = {}, .rules = {{"DATA", "354 go", 1}, {"DATA", "451 no"}}});
  const std::vector<TransactionResult> results = two(mx);
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(decisions(results[1]), "retry:4.0.0");
}

// RFC 3030 §2: with CHUNKING no 354 is waited for and no dot is stuffed; without recipients nothing is sent.
TEST_F(ClientTest, ChunkingCarriesTheContentAsItIs) {
  Script script;
  script.extensions = {"PIPELINING", "8BITMIME", "CHUNKING"};
  script.rules = {{"RCPT TO:<nobody@", "550 5.1.1 who"}};
  Offer nobody;
  nobody.recipients = {"nobody@example.net"};
  Offer dots;
  dots.message = "Subject: x\r\n\r\n.\r\n..a\r\n";
  const Conversation got = converse(script, {Offer{}, nobody, dots});
  ASSERT_EQ(got.results.size(), 3U);
  EXPECT_EQ(decisions(got.results[0]), "done:2.0.0");
  EXPECT_EQ(decisions(got.results[1]), "failed:5.1.1");
  EXPECT_EQ(decisions(got.results[2]), "done:2.0.0");
  EXPECT_THAT(got.transcript, Not(HasSubstr("DATA")));
  EXPECT_THAT(got.contents, ElementsAre(kMessage, dots.message));
}

// RFC 9422 §3.3, §3.7
TEST_F(ClientTest, AnnouncedLimitOfRecipientsIsKept) {
  for (const char* limits : {"LIMITS RCPTMAX=2 MAILMAX=50", "LIMITS RCPTMAX=0", "LIMITS RCPTMAX=x"}) {
    const bool valid = std::string_view(limits).find("=2 ") != std::string_view::npos;
    Script script;
    script.extensions = {"PIPELINING", limits};
    Offer offer;
    offer.recipients = {"a@example.net", "b@example.net", "c@example.net"};
    const Conversation got = converse(script, {offer});
    ASSERT_EQ(got.results.size(), 1U);
    EXPECT_EQ(decisions(got.results[0]),
              valid ? "done:2.0.0 done:2.0.0 again" : "done:2.0.0 done:2.0.0 done:2.0.0")
        << limits;
  }
}

// RFC 9422 §3.4
TEST_F(ClientTest, AnnouncedLimitOfDomainsIsKept) {
  Script script;
  script.extensions = {"PIPELINING", "LIMITS RCPTDOMAINMAX=1"};
  Offer offer;
  offer.recipients = {"a@example.net", "b@example.net", "c@example.com", "d@example.net"};
  const Conversation got = converse(script, {offer});
  EXPECT_EQ(decisions(got.results.at(0)), "done:2.0.0 done:2.0.0 again again");
}

// RFC 8689 §4.2.1, §5: never over a session in the clear; a report goes rather in the clear than not at all.
TEST_F(ClientTest, RequireTlsIsNotGivenAway) {
  Offer offer;
  offer.params.handling.require_tls = true;
  const Conversation clear = converse({.extensions = {"PIPELINING", "REQUIRETLS"}}, {offer});
  EXPECT_EQ(decisions(clear.results.at(0)), "failed:5.7.30");
  EXPECT_THAT(clear.transcript, Not(HasSubstr("MAIL")));
  offer.sender.clear();
  const Conversation report = converse({.extensions = {"PIPELINING", "REQUIRETLS"}}, {offer});
  EXPECT_EQ(decisions(report.results.at(0)), "done:2.0.0");
  EXPECT_THAT(report.transcript, HasSubstr("MAIL FROM:<>\n"));
}

// RFC 2852 §4.1.4, RFC 6710 §4.3
TEST_F(ClientTest, TimeAndPriorityArePassedOnWhereTheyAreUnderstood) {
  Offer offer;
  offer.params.handling = *smtp::parse_handling("BY=120;R MT-PRIORITY=3");
  const Conversation without = converse({.extensions = {"PIPELINING"}}, {offer});
  EXPECT_EQ(decisions(without.results[0]), "failed:5.3.3");
  EXPECT_THAT(without.transcript, Not(HasSubstr("MAIL")));
  const Conversation with =
      converse({.extensions = {"PIPELINING", "DELIVERBY", "MT-PRIORITY MIXER"}}, {offer});
  EXPECT_THAT(with.transcript, HasSubstr("MAIL FROM:<a@example.org> BY=90;R MT-PRIORITY=3\n"));
  const Conversation short_of =
      converse({.extensions = {"PIPELINING", "DELIVERBY 91", "MT-PRIORITY"}}, {offer});
  EXPECT_EQ(decisions(short_of.results[0]), "failed:5.3.3");
  offer.by_left = std::chrono::seconds{0};
  const Conversation late = converse({.extensions = {"PIPELINING", "DELIVERBY"}}, {offer});
  EXPECT_EQ(decisions(late.results[0]), "failed:5.4.7");
  offer.by_left = std::chrono::seconds{-5};
  offer.params.handling = *smtp::parse_handling("BY=120;N");
  const Conversation notify = converse({.extensions = {"PIPELINING", "DSN"}}, {offer});
  EXPECT_EQ(decisions(notify.results[0]), "done:2.0.0");
  EXPECT_THAT(notify.transcript, HasSubstr("RCPT TO:<b@example.net> NOTIFY=FAILURE,DELAY\n"));
  const Conversation passed = converse({.extensions = {"PIPELINING", "DSN", "DELIVERBY"}}, {offer});
  EXPECT_THAT(passed.transcript, HasSubstr("MAIL FROM:<a@example.org> BY=-5;N\n"));
  EXPECT_THAT(passed.transcript, HasSubstr("RCPT TO:<b@example.net>\n"));
}

}  // namespace
}  // namespace postern::delivery
