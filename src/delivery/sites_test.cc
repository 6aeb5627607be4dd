// What several messages and several destinations have to do with each other: sites, their pace, routes, fairness.
#include "delivery/testing/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace postern::delivery {
namespace {

using testing::FakeMx;
using ::testing::HasSubstr;
using testing::kStall;
using ::testing::Not;
using testing::Script;

class SitesTest : public testing::DeliveryTest {
 protected:
  void deliver_to(Script script) {
    mx_ = std::make_unique<FakeMx>(loop_, std::move(script));
    settings_.options.port = mx_->port();
    for (const char* domain : {"example.net", "example.com", "example.org"})
      resolver_.add_mx(domain, {{10, "mx1.test"}, {20, "mx2.test"}});
    resolver_.add_host("mx1.test", {"127.0.0.1"});
    resolver_.add_host("mx2.test", {"127.0.0.1"});
    start();
  }
  ~SitesTest() override {
    if (dispatcher_) stop();
  }
  queue::NewMessage message_of(int account, const std::string& recipient) {
    queue::NewMessage m = message({recipient});
    m.account = AccountId{account};
    return m;
  }
  std::unique_ptr<FakeMx> mx_;
};

TEST_F(SitesTest, DomainsWithTheSameHostsShareAConnection) {
  deliver_to({});
  for (const char* to : {"a@example.net", "b@example.com", "c@example.net"}) {
    put(message({to}));
    run_until_left(0);
  }
  EXPECT_EQ(mx_->contents().size(), 3U);
  EXPECT_EQ(mx_->sessions().size(), 1U);
}

/// "A message with 100 recipients where 3 defer retries those 3 only."
TEST_F(SitesTest, OnlyTheRecipientsThatDeferredAreTriedAgain) {
  deliver_to({.rules = {{"RCPT TO:<later", "450 4.2.1 busy", 3}}});
  std::vector<std::string> hundred;
  for (int i = 0; i < 97; ++i) hundred.push_back("r" + std::to_string(i) + "@example.net");
  for (int i = 0; i < 3; ++i) hundred.push_back("later" + std::to_string(i) + "@example.net");
  put(message(hundred));
  run_until_left(1);
  EXPECT_EQ(listed()[0].recipients.size(), 3U);
  clock_.advance(std::chrono::hours{1});
  dispatcher_->wake();
  run_until_left(0);
  ASSERT_EQ(mx_->contents().size(), 2U);
  const std::string transcript = mx_->transcript();
  const std::string second = transcript.substr(transcript.rfind("MAIL FROM"));
  EXPECT_EQ(std::ranges::count(second, '\n') >= 5, true);
  EXPECT_THAT(second, HasSubstr("RCPT TO:<later0@"));
  EXPECT_THAT(second, HasSubstr("RCPT TO:<later2@"));
  EXPECT_THAT(second, Not(HasSubstr("RCPT TO:<r")));
}

TEST_F(SitesTest, PushBackSparesTheMailBehindItAnAttempt) {
  settings_.options.max_connections = 1;
  for (int i = 0; i < 20; ++i) put(message({"r" + std::to_string(i) + "@example.net"}));
  deliver_to({.rules = {{"MAIL", "451 4.7.500 server busy", 1}}});
  run_until([this] { return history().find("postponed r") != std::string::npos; });
  run_until_left(20);
  std::uint32_t attempts = 0;
  for (const queue::Listed& l : listed()) attempts += l.recipients[0].attempts;
  EXPECT_LE(attempts, 2U) << "the one that heard it, and the one whose envelope was on its way";
  EXPECT_THAT(history(), HasSubstr("451 4.7.500 server busy; the site is given a pause"));
  EXPECT_THAT(history(), HasSubstr("postponed r"));
  clock_.advance(std::chrono::hours{1});
  dispatcher_->try_now();
  run_until_left(0);
}

TEST_F(SitesTest, ProvidersRuleDecidesAndIsNamed) {
  providers_["big"].mx = {"*.test"};
  providers_["big"].replies = {"450 4.2.1 -> wait 3h"};
  deliver_to({.rules = {{"RCPT TO:<b@", "450 4.2.1 too fast"}}});
  put(message({"b@example.net"}));
  run_until_left(1);
  EXPECT_GE(listed()[0].recipients[0].next_attempt, clock_.now() + std::chrono::hours{3});
  EXPECT_THAT(history(), HasSubstr("450 4.2.1 too fast; rule: 450 4.2.1 -> wait 3h; next attempt"));
}

TEST_F(SitesTest, RateOfAProviderIsKept) {
  providers_["big"].mx = {"*.test"};
  providers_["big"].rate = "3/1h";
  settings_.options.idle_timeout = std::chrono::seconds{0};
  deliver_to({});
  for (int i = 0; i < 6; ++i) put(message({"b@example.net"}));
  run_until([this] { return mx_->contents().size() >= 3; });
  stop(std::chrono::milliseconds{500});
  EXPECT_EQ(mx_->contents().size(), 3U);
  EXPECT_EQ(listed().size(), 3U);
}

TEST_F(SitesTest, DeadSiteCostsFewConnections) {
  deliver_to({.rules = {{"banner", "421 4.3.2 shutting down"}}});
  for (int i = 0; i < 50; ++i) put(message({"r" + std::to_string(i) + "@example.net"}));
  run_until_left(50);
  EXPECT_LE(mx_->sessions().size(), 6U);
}

/// One account's backlog of bulk mail, and then a password reset of another.
TEST_F(SitesTest, PromptMailDoesNotWaitBehindANewsletter) {
  settings_.options.max_connections = 2;
  services_urgency_ = [](AccountId account) { return account.value == 1 ? Urgency::Bulk : Urgency::Prompt; };
  for (int i = 0; i < 300; ++i) put(message_of(1, "reader" + std::to_string(i) + "@example.net"));
  deliver_to({});
  run_until([this] { return mx_->contents().size() >= 20; });
  put(message_of(2, "forgot@example.net"));
  // Counted from when it is in the queue, because how long that takes says nothing about whose turn it is.
  const std::size_t before = mx_->contents().size();
  run_until([this] { return mx_->transcript().find("forgot@example.net") != std::string::npos; });
  EXPECT_LE(mx_->contents().size(), before + 30) << "of 300";
  run_until([this] {  // where a message takes long, newsletters are postponed: their time has to come
    clock_.advance(std::chrono::seconds{1});
    dispatcher_->wake();
    return mx_->contents().size() == 301;
  });
}

TEST_F(SitesTest, SlowSiteGivesItsBacklogBackToTheQueue) {
  settings_.options.max_active = 100;
  deliver_to({.rules = {{"MAIL FROM", std::string(kStall)}}});
  resolver_.add_mx("quick.test", {{10, "quick.mx"}});
  FakeMx quick(loop_, {});
  for (int i = 0; i < 60; ++i) put(message({"r" + std::to_string(i) + "@example.net"}));
  const auto postponed = [this] {
    const std::string all = history();
    return all.find("postponed") != std::string::npos;
  };
  run_until(postponed);
  EXPECT_THAT(history(), HasSubstr("messages are before it at mx1.test>mx2.test; next attempt"));
  stop(std::chrono::milliseconds{50});
}

TEST_F(SitesTest, RoutesDiscardAndHold) {
  RouteRule discard;
  discard.name = "blackhole";
  discard.to = {"example.com"};
  discard.action = RouteAction::Discard;
  RouteRule hold;
  hold.from = {"anna@example.org"};
  hold.to = {"held@example.net"};
  hold.action = RouteAction::Hold;
  settings_.map.routes = *RouteTable::make({discard, hold}, {});
  deliver_to({});
  put(message({"a@example.com", "held@example.net", "b@example.net"}));
  run_until_left(1);
  ASSERT_EQ(listed()[0].recipients.size(), 1U);
  EXPECT_EQ(listed()[0].recipients[0].state, queue::RecipientState::Held);
  EXPECT_EQ(mx_->contents().size(), 1U);
  EXPECT_THAT(history(), HasSubstr("delivered a@example.com: discarded by route blackhole"));
  EXPECT_THAT(history(), HasSubstr("held held@example.net: held by route 2"));
}

TEST_F(SitesTest, RouteChoosesTheSourceAddress) {
  RouteRule rule;
  rule.source_addresses = {"127.0.0.5"};
  settings_.map.routes = *RouteTable::make({rule}, {});
  deliver_to({});
  put(message({"b@example.net"}));
  run_until_left(0);
  ASSERT_EQ(mx_->sessions().size(), 1U);
  EXPECT_EQ(mx_->sessions()[0]->from, "127.0.0.5");
}

}  // namespace
}  // namespace postern::delivery
