#include "delivery/expansion.h"

#include "delivery/testing/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postern::delivery {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

RouteRule alias(const char* address, std::vector<std::string> members) {
  RouteRule rule;
  rule.name = std::string(address).substr(0, std::string(address).find('@'));
  rule.to = {address};
  rule.action = RouteAction::Expand;
  rule.members = std::move(members);
  return rule;
}

TEST(MembersTest, AliasesBehindAliasesAreFollowedOnce) {
  const RouteTable routes = *RouteTable::make(
      {alias("team@example.org", {"Anna@example.net", "bosses@example.org", "team@example.org"}),
       alias("bosses@example.org", {"carl@example.com", "anna@EXAMPLE.net", "team@example.org"}),
       alias("a@example.org", {"b@example.org"}), alias("b@example.org", {"a@example.org"})},
      {});
  EXPECT_THAT(members_behind(routes, "x@example.org", "Team@example.org"),
              ElementsAre("Anna@example.net", "carl@example.com"));
  EXPECT_THAT(members_behind(routes, "x@example.org", "a@example.org"), IsEmpty());
}

TEST(MembersTest, RouteNeedsMembersAndNothingElseHasThem) {
  EXPECT_FALSE(alias("team@example.org", {}).validate());
  EXPECT_FALSE(alias("team@example.org", {"example.net"}).validate());
  RouteRule direct = alias("team@example.org", {"anna@example.net"});
  EXPECT_TRUE(direct.validate());
  direct.action = RouteAction::Direct;
  EXPECT_FALSE(direct.validate());
}

TEST(Rfc3461Section527, SuccessIsToldOfTheAliasAndNotOfItsMembers) {
  using N = smtp::Notify;
  const struct {
    unsigned asked;
    std::size_t members;
    unsigned of_members;
  } cases[] = {{0, 3, 0},
               {N::kSuccess, 3, N::kNever},
               {N::kSuccess | N::kFailure | N::kDelay, 3, N::kFailure | N::kDelay},
               {N::kFailure, 3, N::kFailure},
               {N::kNever, 3, N::kNever},
               {N::kSuccess, 1, N::kSuccess}};
  for (const auto& c : cases) {
    const N got = notify_of_members({static_cast<std::uint8_t>(c.asked)}, c.members);
    EXPECT_EQ(got.bits, c.of_members) << c.asked << " of " << c.members;
  }
}

class ExpansionTest : public testing::DeliveryTest {
 protected:
  void deliver(std::vector<std::string> members) {
    mx_ = std::make_unique<testing::FakeMx>(loop_, testing::Script{});
    settings_.options.port = mx_->port();
    settings_.map.routes = *RouteTable::make({alias("team@example.org", std::move(members))}, {});
    resolver_.add_mx("example.net", {{10, "mx.test"}});
    resolver_.add_mx("example.org", {{10, "mx.test"}});
    resolver_.add_host("mx.test", {"127.0.0.1"});
    start();
  }
  ~ExpansionTest() override {
    if (dispatcher_) stop();
  }
  queue::NewMessage to_team(std::uint8_t notify) {
    queue::NewMessage out = message({"team@example.org", "zoe@example.net"});
    for (smtp::Recipient& recipient : out.envelope.recipients) {
      recipient.notify.bits = notify;
      recipient.orcpt = "rfc822;" + recipient.address;
    }
    out.envelope.params.envid = "E1";
    return out;
  }
  std::unique_ptr<testing::FakeMx> mx_;
};

TEST_F(ExpansionTest, MembersGetItAndTheSenderHearsOfTheAlias) {
  deliver({"anna@example.net", "ben@example.net"});
  put(to_team(smtp::Notify::kSuccess | smtp::Notify::kFailure));
  run_until([this] { return mx_->contents().size() == 3; });  // zoe, the members, the report
  run_until_left(0);
  const std::string transcript = mx_->transcript();
  EXPECT_THAT(transcript,
              HasSubstr("RCPT TO:<anna@example.net> NOTIFY=FAILURE ORCPT=rfc822;team@example.org"));
  EXPECT_THAT(transcript, HasSubstr("RCPT TO:<ben@example.net> NOTIFY=FAILURE"));
  EXPECT_THAT(transcript, HasSubstr("RCPT TO:<zoe@example.net> NOTIFY=SUCCESS,FAILURE"));
  EXPECT_THAT(transcript, Not(HasSubstr("RCPT TO:<team@example.org>")));
  std::string report;
  for (const std::string& content : mx_->contents()) {
    if (content.find("multipart/report") != std::string::npos) report = content;
  }
  EXPECT_THAT(report, HasSubstr("Original-Envelope-Id: E1"));
  EXPECT_THAT(
      report,
      HasSubstr("Final-Recipient: rfc822; team@example.org\r\nAction: expanded\r\nStatus: 2.1.5\r\n"));
  EXPECT_THAT(history(), HasSubstr("delivered team@example.org: sent on to 2 addresses as "));
}

TEST_F(ExpansionTest, ASingleMemberIsInTheAliasesPlaceWithoutAReport) {
  deliver({"anna@example.net"});
  put(to_team(smtp::Notify::kSuccess));
  run_until([this] { return mx_->contents().size() == 2; });
  run_until_left(0);
  EXPECT_THAT(mx_->transcript(),
              HasSubstr("RCPT TO:<anna@example.net> NOTIFY=SUCCESS ORCPT=rfc822;team@example.org"));
  EXPECT_EQ(mx_->contents().size(), 2U);
}

TEST_F(ExpansionTest, LargeMessagesAreCopiedPieceByPiece) {
  deliver({"anna@example.net", "ben@example.net"});
  std::string content(kContent);
  for (int i = 0; i < 20'000; ++i) content += "line " + std::to_string(i) + "\r\n";
  put(to_team(0), content);
  run_until([this] { return mx_->contents().size() == 2; });
  run_until_left(0);
  for (const std::string& got : mx_->contents()) EXPECT_TRUE(got.ends_with("line 19999\r\n"));
  EXPECT_EQ(mx_->contents()[0].size(), mx_->contents()[1].size());
}

TEST_F(ExpansionTest, ACircleComesBack) {
  deliver({"team@example.org"});
  put(to_team(0));
  run_until([this] { return history().find("failed team@example.org") != std::string::npos; });
  EXPECT_THAT(history(), HasSubstr("route team leads back to itself"));
  run_until_left(0);
}

}  // namespace
}  // namespace postern::delivery
