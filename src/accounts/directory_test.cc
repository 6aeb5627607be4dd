#include "accounts/password.h"
#include "accounts/testing/directory_fixture.h"

namespace postern::accounts {
namespace {

using DirectoryTest = testing::DirectoryFixture;

TEST_F(DirectoryTest, LogsInByNameAndPassword) {
  EXPECT_EQ(login("ALICE@example.ORG", "right")->address, "alice@example.org");
  EXPECT_EQ(login("alice@example.org", "wrong").error().code, Errc::Denied);
  EXPECT_EQ(login("bob@example.org", "right").error().code, Errc::Denied);
}

TEST_F(DirectoryTest, AChangeByAnotherProcessCountsAtOnceInSpiteOfTheCache) {
  EXPECT_TRUE(login("alice@example.org", "right"));
  const std::unique_ptr<Directory> other = open();
  ASSERT_TRUE(other->set_password("alice@example.org", "new"));
  EXPECT_FALSE(login("alice@example.org", "right"));
  EXPECT_TRUE(login("alice@example.org", "new"));
  ASSERT_TRUE(other->set_suspended("alice@example.org", true));
  EXPECT_EQ(login("alice@example.org", "new").error().detail, "account suspended");
  ASSERT_TRUE(other->set_suspended("alice@example.org", false));
  EXPECT_TRUE(login("alice@example.org", "new"));
  ASSERT_TRUE(other->remove_account("alice@example.org"));
  EXPECT_FALSE(login("alice@example.org", "new"));
}

TEST(UnknownNames, AreCheckedAtTheCostOfAWrongPassword) {
  const auto cost = [](const std::string& hash) { return hash.substr(0, hash.find('$', hash.find("p="))); };
  EXPECT_EQ(cost(nobodys_hash()), cost(*hash_password("x")));
  EXPECT_EQ(nobodys_hash().size(), hash_password("x")->size());
  EXPECT_FALSE(password_matches("x", nobodys_hash()));
}

TEST_F(DirectoryTest, ImportedCryptHashesAreChecked) {
  const std::string sha512 =
      "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/";
  ASSERT_TRUE(directory_->add_account("old@example.org", "{CRYPT}" + sha512, AccountClass::App));
  EXPECT_TRUE(login("old@example.org", "password"));
  EXPECT_FALSE(login("old@example.org", "Password"));
  EXPECT_EQ(directory_->add_account("x@example.org", "plaintext", AccountClass::App).error().code,
            Errc::Malformed);
}

TEST_F(DirectoryTest, RightsFollowAddressAliasesAndDomains) {
  ASSERT_TRUE(directory_->add_account("bob@example.org", "{PLAIN}x", AccountClass::Person));
  ASSERT_TRUE(directory_->add_alias("sales@example.org", "alice@example.org"));
  ASSERT_TRUE(directory_->add_alias("*@shop.example", "alice@example.org"));
  const Account alice = directory_->accounts()->at(0);
  const Account bob = directory_->accounts()->at(1);
  EXPECT_TRUE(directory_->may_send_as(alice, {"Alice", "EXAMPLE.org"}));
  EXPECT_TRUE(directory_->may_send_as(alice, {"alice+news", "example.org"}));
  EXPECT_TRUE(directory_->may_send_as(alice, {"sales", "example.org"}));
  EXPECT_TRUE(directory_->may_send_as(alice, {"anything", "shop.example"}));
  EXPECT_FALSE(directory_->may_send_as(alice, {"bob", "example.org"}));
  EXPECT_FALSE(directory_->may_send_as(bob, {"sales", "example.org"}));
  EXPECT_FALSE(directory_->may_send_as(Account{AccountId{99}}, {"alice", "example.org"}));
  // What is somebody's own address is not a tag of somebody else's.
  ASSERT_TRUE(directory_->add_account("alice+boss@example.org", "{PLAIN}x", AccountClass::Person));
  ASSERT_TRUE(directory_->add_alias("alice+shop@example.org", "bob@example.org"));
  EXPECT_FALSE(directory_->may_send_as(alice, {"alice+boss", "example.org"}));
  EXPECT_FALSE(directory_->may_send_as(alice, {"alice+shop", "example.org"}));
  EXPECT_TRUE(directory_->may_send_as(bob, {"alice+shop", "example.org"}));
  EXPECT_FALSE(directory_->may_send_as(alice, {"sales+boss", "example.net"}));
  EXPECT_TRUE(directory_->may_send_as(alice, {"sales+boss", "example.org"}));
  ASSERT_TRUE(directory_->add_alias("\"odd one\"@example.org", "alice@example.org"));
  EXPECT_TRUE(directory_->may_send_as(alice, {"Odd One", "example.org"}));
  EXPECT_FALSE(directory_->may_send_as(alice, {"+alice", "example.org"}));
  EXPECT_FALSE(directory_->may_send_as(alice, {"alice@example.org", "evil.example"}));
  EXPECT_FALSE(directory_->may_send_as(alice, {"*", "example.org"}));
  ASSERT_TRUE(directory_->remove_alias("sales@example.org"));
  EXPECT_FALSE(directory_->may_send_as(alice, {"sales", "example.org"}));
}

TEST_F(DirectoryTest, AnAliasOfTwoAccountsCanBeTakenFromOne) {
  ASSERT_TRUE(directory_->add_account("bob@example.org", "{PLAIN}x", AccountClass::Person));
  for (const char* owner : {"alice@example.org", "bob@example.org"})
    ASSERT_TRUE(directory_->add_alias("sales@example.org", owner));
  EXPECT_EQ(directory_->remove_alias("sales@example.org", "carol@example.org").error().code, Errc::NotFound);
  ASSERT_TRUE(directory_->remove_alias("sales@example.org", "alice@example.org"));
  ASSERT_EQ(directory_->aliases()->size(), 1U);
  EXPECT_EQ(directory_->aliases()->front().account, "bob@example.org");
}

TEST_F(DirectoryTest, GrantsLetOneAccountSendAsAnother) {
  for (const char* name : {"bob@example.org", "carol@example.org"})
    ASSERT_TRUE(directory_->add_account(name, "{PLAIN}x", AccountClass::Person));
  ASSERT_TRUE(directory_->add_alias("sales@example.org", "bob@example.org"));
  ASSERT_TRUE(directory_->add_grant({"Alice@example.org", "bob@example.org"}));
  ASSERT_TRUE(directory_->add_grant({"bob@example.org", "carol@example.org"}));
  const Account alice = directory_->accounts()->at(0);
  const Account bob = directory_->accounts()->at(1);
  EXPECT_TRUE(directory_->may_send_as(alice, {"bob", "example.org"}));
  EXPECT_TRUE(directory_->may_send_as(alice, {"sales", "example.org"})) << "all that is Bob's";
  EXPECT_FALSE(directory_->may_send_as(bob, {"alice", "example.org"})) << "not the other way round";
  EXPECT_FALSE(directory_->may_send_as(alice, {"carol", "example.org"})) << "grants do not add up";
  EXPECT_EQ(directory_->grants()->size(), 2U);
  EXPECT_EQ(directory_->add_grant({"alice@example.org", "bob@example.org"}).error().code, Errc::Denied);
  EXPECT_EQ(directory_->add_grant({"alice@example.org", "dave@example.org"}).error().detail,
            "no account dave@example.org");
  EXPECT_EQ(directory_->add_grant({"alice@example.org", "alice@example.org"}).error().code, Errc::Malformed);
  ASSERT_TRUE(directory_->remove_grant({"alice@example.org", "bob@example.org"}));
  EXPECT_FALSE(directory_->may_send_as(alice, {"bob", "example.org"}));
  EXPECT_EQ(directory_->remove_grant({"alice@example.org", "bob@example.org"}).error().code, Errc::NotFound);
  ASSERT_TRUE(directory_->remove_account("carol@example.org"));
  EXPECT_TRUE(directory_->grants()->empty());
}

TEST_F(DirectoryTest, AnAccountIsOneAddressThatCanBeUsed) {
  const std::string longest(64, 'a');
  EXPECT_TRUE(directory_->add_account(longest + "@example.org", "{PLAIN}x", AccountClass::Person));
  for (const std::string& name :
       {longest + "a@example.org", std::string("*@example.org"), std::string("a*b@example.org")})
    EXPECT_EQ(directory_->add_account(name, "{PLAIN}x", AccountClass::Person).error().code, Errc::Malformed)
        << name;
}

TEST_F(DirectoryTest, AnAccountsOwnAddressIsNoAlias) {
  ASSERT_TRUE(directory_->add_account("bob@example.org", "{PLAIN}x", AccountClass::Person));
  EXPECT_EQ(directory_->add_alias("Alice@example.org", "alice@example.org").error().code, Errc::Malformed);
  const Result<> others = directory_->add_alias("bob@example.org", "alice@example.org");
  ASSERT_FALSE(others);
  EXPECT_NE(others.error().detail.find("postern send-as add alice@example.org bob@example.org"),
            std::string::npos);
  EXPECT_TRUE(directory_->aliases()->empty());
}

TEST_F(DirectoryTest, SaysWhatIsWrong) {
  EXPECT_EQ(directory_->add_account("alice@example.org", "{PLAIN}x", AccountClass::App).error().code,
            Errc::Denied);
  EXPECT_EQ(directory_->add_account("alice", "{PLAIN}x", AccountClass::App).error().code, Errc::Malformed);
  EXPECT_EQ(directory_->remove_account("bob@example.org").error().code, Errc::NotFound);
  EXPECT_EQ(directory_->add_alias("a@b.c", "bob@example.org").error().code, Errc::NotFound);
  EXPECT_EQ(directory_->add_domain({"localhost", "s", ""}).error().code, Errc::Malformed);
  EXPECT_EQ(directory_->add_domain({"example.org", "s", "no key"}).error().code, Errc::Malformed);
  const std::string key = dkim::SigningKey::generate(2048)->pem();
  for (const char* selector : {"", "bad sel", "a;b=c", "x\r\nBcc: y", "-a", "a.", "a..b"})
    EXPECT_EQ(directory_->add_domain({"example.org", selector, key}).error().code, Errc::Malformed)
        << selector;
  for (const char* name : {"[127.0.0.1]", "127.0.0.1", "a b.example", "a..example"})
    EXPECT_EQ(directory_->add_domain({name, "s", key}).error().code, Errc::Malformed) << name;
  ASSERT_TRUE(directory_->add_domain({"Example.ORG", "s", dkim::SigningKey::generate(2048)->pem()}));
  EXPECT_EQ(directory_->domain("example.org")->selector, "s");
  EXPECT_FALSE(directory_->domain("sub.example.org"));
}

}  // namespace
}  // namespace postern::accounts
