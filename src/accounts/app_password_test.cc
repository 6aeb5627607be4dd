#include "accounts/testing/directory_fixture.h"

#include <set>

namespace postern::accounts {
namespace {

class AppPasswordTest : public testing::DirectoryFixture {
 protected:
  std::string add(AppPassword wanted) {
    wanted.account = "alice@example.org";
    if (wanted.name.empty()) wanted.name = "printer";
    const Result<std::string> made = directory_->add_app_password(wanted);
    EXPECT_TRUE(made) << made.error().detail;
    return made ? *made : "";
  }
};

TEST(AppPasswords, AreRandomAndRecognised) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(generate_app_password());
  EXPECT_EQ(seen.size(), 100U);
  for (const std::string& one : seen) EXPECT_TRUE(looks_like_app_password(one)) << one;
  EXPECT_FALSE(looks_like_app_password("postern_"));
  EXPECT_FALSE(looks_like_app_password("correct horse"));
}

TEST_F(AppPasswordTest, LogsInItsAccountOnlyAndEndsAtOnce) {
  ASSERT_TRUE(directory_->add_account_with_password("bob@example.org", "x", AccountClass::Person));
  const std::string password = add({});
  const Result<Account> account = login("alice@example.org", password);
  ASSERT_TRUE(account);
  EXPECT_EQ(account->address, "alice@example.org");
  EXPECT_NE(account->app_password, 0);
  EXPECT_FALSE(directory_->limit_facts(*account).apart)
      << "without a class of its own it is the person's mail";
  EXPECT_EQ(login("bob@example.org", password).error().code, Errc::Denied);
  EXPECT_EQ(login("alice@example.org", password + "x").error().code, Errc::Denied);
  EXPECT_TRUE(login("alice@example.org", "right")) << "beside the account's own";
  ASSERT_TRUE(open()->set_password("alice@example.org", "new"));
  EXPECT_EQ(directory_->standing(*account), Standing::Good)
      << "programs go on when the person's password changes";
  ASSERT_TRUE(open()->remove_app_password("alice@example.org", "printer"));
  EXPECT_EQ(directory_->standing(*account), Standing::AppPasswordEnded);
  EXPECT_EQ(login("alice@example.org", password).error().code, Errc::Denied);
}

TEST_F(AppPasswordTest, SuspensionAndRemovalOfTheAccountEndItToo) {
  const std::string password = add({});
  const Result<Account> account = login("alice@example.org", password);
  ASSERT_TRUE(directory_->set_suspended("alice@example.org", true));
  EXPECT_EQ(login("alice@example.org", password).error().detail, "account suspended");
  EXPECT_EQ(directory_->standing(*account), Standing::Suspended);
  ASSERT_TRUE(directory_->remove_account("alice@example.org"));
  EXPECT_EQ(directory_->standing(*account), Standing::Removed);
  ASSERT_TRUE(directory_->add_account_with_password("alice@example.org", "again", AccountClass::Person));
  EXPECT_FALSE(login("alice@example.org", password)) << "another account, though of the same name";
}

TEST_F(AppPasswordTest, IsBoundToNetworks) {
  const std::string password =
      add({.networks = {*net::Network::parse("192.0.2.0/24"), *net::Network::parse("2001:db8::/32")}});
  EXPECT_TRUE(login_from("192.0.2.77", "alice@example.org", password));
  EXPECT_TRUE(login_from("2001:db8::1", "alice@example.org", password));
  EXPECT_EQ(login_from("198.51.100.1", "alice@example.org", password).error().detail,
            "app password printer may not be used from this network");
  const sasl::ScramKeys keys = directory_->scram_secrets("alice@example.org").keys.back();
  EXPECT_TRUE(directory_->login_by_scram("alice@example.org", keys, *net::IpAddress::parse("192.0.2.77")));
  EXPECT_FALSE(directory_->login_by_scram("alice@example.org", keys, *net::IpAddress::parse("198.51.100.1")));
}

TEST_F(AppPasswordTest, Expires) {
  const std::string password = add({.expires = clock_.now() + std::chrono::hours{1}});
  const Result<Account> account = login("alice@example.org", password);
  ASSERT_TRUE(account);
  clock_.advance(std::chrono::minutes{59});
  EXPECT_EQ(directory_->standing(*account), Standing::Good);
  clock_.advance(std::chrono::minutes{1});
  EXPECT_EQ(directory_->standing(*account), Standing::AppPasswordEnded);
  EXPECT_EQ(login("alice@example.org", password).error().detail, "app password printer has expired");
}

TEST_F(AppPasswordTest, NarrowsWhatTheAccountMaySendAsAndNeverWidensIt) {
  ASSERT_TRUE(directory_->add_alias("*@shop.example", "alice@example.org"));
  const std::string password = add({.senders = {"News-*@shop.example", "bob@example.org"}});
  const Result<Account> program = login("alice@example.org", password);
  const Result<Account> person = login("alice@example.org", "right");
  EXPECT_TRUE(directory_->may_send_as(*program, {"news-1", "shop.example"}));
  EXPECT_FALSE(directory_->may_send_as(*program, {"alice", "example.org"})) << "not even its own address";
  EXPECT_FALSE(directory_->may_send_as(*program, {"sales", "shop.example"}));
  EXPECT_FALSE(directory_->may_send_as(*program, {"bob", "example.org"}))
      << "the account may not, so it may not";
  EXPECT_TRUE(directory_->may_send_as(*person, {"sales", "shop.example"}));
  ASSERT_TRUE(directory_->remove_app_password("alice@example.org", "printer"));
  EXPECT_FALSE(directory_->may_send_as(*program, {"news-1", "shop.example"}));
}

TEST_F(AppPasswordTest, AClassOfItsOwnHasABudgetOfItsOwn) {
  const Result<Account> one = login("alice@example.org", add({.name = "one", .kind = AccountClass::Bulk}));
  const Result<Account> two = login("alice@example.org", add({.name = "two", .kind = AccountClass::Bulk}));
  EXPECT_EQ(one->kind, AccountClass::Bulk);
  EXPECT_NE(one->app_password, two->app_password);
  EXPECT_TRUE(directory_->limit_facts(*one).apart);
  EXPECT_EQ(directory_->limit_facts(*one).kind, AccountClass::Bulk);
  const Result<Account> person = login("alice@example.org", "right");
  EXPECT_FALSE(directory_->limit_facts(*person).apart);
  EXPECT_EQ(directory_->limit_facts(*person).account, nullptr);
}

TEST_F(AppPasswordTest, LimitsOfItsOwnAndOfTheAccountAreSeenAtOnce) {
  const Result<Account> program =
      login("alice@example.org", add({.name = "one", .limits = {"messages 5/1h", "messages 9/1d"}}));
  const LimitFacts before = directory_->limit_facts(*program);
  EXPECT_FALSE(before.apart);
  ASSERT_NE(before.app_password, nullptr);
  EXPECT_EQ(*before.app_password, (std::vector<std::string>{"messages 5/1h", "messages 9/1d"}));
  EXPECT_EQ(directory_->app_passwords("alice@example.org")->front().limits, *before.app_password);
  ASSERT_TRUE(open()->set_limits("Alice@example.org", {"recipients 7/1h"}));
  EXPECT_EQ(*directory_->limit_facts(*program).account, std::vector<std::string>{"recipients 7/1h"});
  ASSERT_TRUE(open()->set_class("alice@example.org", AccountClass::App));
  EXPECT_EQ(directory_->limit_facts(*program).kind, AccountClass::App) << "for sessions that are open, too";
  ASSERT_TRUE(open()->set_limits("alice@example.org", {}));
  EXPECT_EQ(directory_->limit_facts(*program).account, nullptr);
  EXPECT_EQ(directory_->set_limits("nobody@example.org", {}).error().code, Errc::NotFound);
}

TEST_F(AppPasswordTest, IsListedWithoutTheSecretAndSaysWhatIsWrong) {
  add({.name = "one", .kind = AccountClass::App, .senders = {"Alice@example.org"}});
  add({.name = "two", .networks = {*net::Network::parse("::1")}});
  const Result<std::vector<AppPassword>> all = directory_->app_passwords("ALICE@example.org");
  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ(all->at(0).senders, std::vector<std::string>{"alice@example.org"});
  EXPECT_EQ(all->at(1).networks.front().text(), "::1");
  EXPECT_EQ(all->at(1).created, clock_.now());
  EXPECT_EQ(directory_->app_passwords("bob@example.org").error().code, Errc::NotFound);
  const auto refusal = [this](AppPassword wanted) {
    if (wanted.account.empty()) wanted.account = "alice@example.org";
    const Result<std::string> made = directory_->add_app_password(wanted);
    return made ? std::string("made") : to_string(made.error().code) + (": " + made.error().detail);
  };
  EXPECT_EQ(refusal({.name = "one"}), "denied: alice@example.org has an app password named one already");
  EXPECT_EQ(refusal({.account = "bob@example.org", .name = "x"}), "not_found: no account bob@example.org");
  EXPECT_EQ(refusal({.name = ""}).substr(0, 9), "malformed");
  EXPECT_EQ(refusal({.name = "x", .senders = {"*"}}).substr(0, 9), "malformed");
  EXPECT_EQ(refusal({.name = "x", .expires = clock_.now()}).substr(0, 9), "malformed");
  EXPECT_EQ(directory_->remove_app_password("alice@example.org", "three").error().code, Errc::NotFound);
}

}  // namespace
}  // namespace postern::accounts
