#include "accounts/directory.h"
#include "accounts/password.h"
#include "accounts/testing/directory_fixture.h"

#include <gtest/gtest.h>

namespace postern::accounts {
namespace {

using LoginTest = testing::DirectoryFixture;

// "old secret" in the forms that other servers' user tables hold
constexpr const char* kOldHashes[] = {
    "$6$rounds=5000$saltsaltsalt$YzjftDvPRAViAwb0N06SodjCKP90wdixXzjhr4MybTGi7URD8gLKQbeRasoNtQ6yEF/"
    "c7GWVJwoLof1glk/KH.",
    "{CRYPT}$2b$05$abcdefghijklmnopqrstuujKWDrmpUXu10fG/2mj./vFX3pPExfte",
    "{SSHA}PzlJN0Bj95s9ACp9T0fp1yfHOWdzYWx0",
    "{ssha512}Bh6EsS6LSwSSK1wjqiVSc4lkHfDtIglPk4bSl6zV6Tf3LtE7s/W/xlrvWyL5BBO8kCkUCIGW/BvyUBH5Cy6adHNhbHQ=",
    "{PLAIN}old secret",
};

TEST_F(LoginTest, AnImportedHashIsUpgradedWhenItsPasswordIsUsedAndSessionsGoOn) {
  int n = 0;
  for (const char* hash : kOldHashes) {
    const std::string address = "old" + std::to_string(++n) + "@example.org";
    ASSERT_TRUE(directory_->add_account(address, hash, AccountClass::Person)) << hash;
    EXPECT_EQ(login(address, "Old secret").error().code, Errc::Denied) << hash;
    const Result<Account> first = login(address, "old secret");
    ASSERT_TRUE(first) << hash << ": " << first.error().detail;
    EXPECT_EQ(directory_->standing(*first), Standing::Good) << "an upgrade is no change of the password";
    EXPECT_EQ(directory_->scram_secrets(address).keys.size(), 1U) << "and now SCRAM works";
    EXPECT_TRUE(login(address, "old secret"));
    EXPECT_EQ(login(address, "Old secret").error().code, Errc::Denied);
  }
}

TEST_F(LoginTest, AHashThatIsCutOffOrCostsSecondsIsNoHash) {
  const std::string digest(86, 'x');
  const std::string argon = "$MTIzNDU2Nzg$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI";
  const struct {
    std::string hash;
    bool known;
  } kCases[] = {
      {"$6$saltsalt$" + digest, true},
      {"$6$saltsalt$" + digest.substr(1), false},
      {"$6$saltsalt$", false},
      {"$6$saltsaltsaltsalt", false},
      {"$6$saltsalt$" + digest + "x", false},
      {"$6$rounds=1000000$saltsalt$" + digest, true},
      {"$6$rounds=1000001$saltsalt$" + digest, false},
      {"$5$rounds=20000000$saltsalt$" + digest.substr(0, 43), false},
      {"{CRYPT}$6$rounds=99999999999999999999$saltsalt$" + digest, false},
      {"$2b$12$abcdefghijklmnopqrstuujKWDrmpUXu10fG/2mj./vFX3pPExfte", true},
      {"$2b$16$abcdefghijklmnopqrstuujKWDrmpUXu10fG/2mj./vFX3pPExfte", false},
      {"$2b$05$abcdefghijklmnopqrstuujKWDrmpUXu10fG/2mj./vFX3pPExft", false},
      {"$argon2id$v=19$m=65536,t=3,p=1" + argon, true},
      {"$argon2id$v=19$m=4194304,t=2,p=1" + argon, false},
  };
  for (const auto& c : kCases) EXPECT_EQ(import_hash(c.hash).has_value(), c.known) << c.hash;
}

TEST_F(LoginTest, NamesAndPasswordsMatchInTheirPreparedForm) {
  const std::string composed = "gr\xC3\xBC\xC3\x9F";
  const std::string decomposed = "gru\xCC\x88\xC3\x9F";
  ASSERT_TRUE(directory_->set_password("alice@example.org", decomposed));
  EXPECT_TRUE(login("alice@example.org", composed));
  EXPECT_TRUE(login("alice@example.org", decomposed));
  EXPECT_TRUE(login("\xEF\xBD\x81lice@example.org", composed)) << "a full-width a";
  EXPECT_FALSE(login("alice\x07@example.org", composed));
  for (const char* unusable : {"\x07", "gr\xFC\xDF", "\xC2\xAD", "\xD8\xA7\x31"}) {  // RFC 4013 §2.3, §2.4
    const Result<> set = directory_->set_password("alice@example.org", unusable);
    ASSERT_FALSE(set) << unusable;
    EXPECT_EQ(set.error().code, Errc::Malformed);
    EXPECT_FALSE(login("alice@example.org", unusable));
  }
  EXPECT_EQ(directory_->set_password("alice@example.org", std::string(256, 'x')).error().code,
            Errc::Malformed);
}

TEST_F(LoginTest, AnImportedPasswordThatCannotBePreparedStaysAsItIs) {
  ASSERT_TRUE(directory_->add_account("old@example.org", "{SSHA}FCQXB5Ort/SJXQ8kbPMNYp7qfaBzYWx0",
                                      AccountClass::Person));
  EXPECT_TRUE(login("old@example.org", "gr\xFC\xDF")) << "Latin-1, as an old client sends it";
  EXPECT_TRUE(login("old@example.org", "gr\xFC\xDF"));
  EXPECT_TRUE(directory_->scram_secrets("old@example.org").keys.empty());
}

TEST_F(LoginTest, AnUpgradeNeverBringsAnOldPasswordBack) {
  const std::string old = kOldHashes[0];
  ASSERT_TRUE(directory_->add_account("old@example.org", old, AccountClass::Person));
  EXPECT_TRUE(login("old@example.org", "old secret"));
  ASSERT_TRUE(directory_->set_password("old@example.org", "new"));
  EXPECT_FALSE(login("old@example.org", "old secret"));
  EXPECT_TRUE(login("old@example.org", "new"));
  ASSERT_TRUE(directory_->set_password_hash("old@example.org", old));
  EXPECT_TRUE(directory_->scram_secrets("old@example.org").keys.empty()) << "not known before the next login";
  EXPECT_FALSE(login("old@example.org", "new"));
}

TEST_F(LoginTest, ScramSecretsOfUnknownNamesLookLikeThoseOfKnownOnes) {
  const sasl::ScramSecrets known = directory_->scram_secrets("ALICE@example.org");
  const sasl::ScramSecrets unknown = directory_->scram_secrets("nobody@example.org");
  EXPECT_EQ(known.salt.size(), unknown.salt.size());
  EXPECT_EQ(known.iterations, unknown.iterations);
  EXPECT_NE(known.salt, unknown.salt);
  EXPECT_EQ(unknown.salt, open()->scram_secrets("nobody@example.org").salt) << "also after a restart";
  EXPECT_EQ(known.keys.size(), 1U);
  EXPECT_TRUE(unknown.keys.empty());
  ASSERT_TRUE(directory_->add_account_with_password("nobody@example.org", "x", AccountClass::Person));
  EXPECT_EQ(directory_->scram_secrets("nobody@example.org").salt, unknown.salt)
      << "and when the name comes to be";
}

TEST_F(LoginTest, ScramLogsInUntilThePasswordIsAnother) {
  const sasl::ScramKeys keys = directory_->scram_secrets("alice@example.org").keys.front();
  const Result<Account> account = directory_->login_by_scram("Alice@Example.ORG", keys, here_);
  ASSERT_TRUE(account);
  EXPECT_EQ(account->address, "alice@example.org");
  EXPECT_FALSE(directory_->login_by_scram("bob@example.org", keys, here_));
  ASSERT_TRUE(directory_->set_suspended("alice@example.org", true));
  EXPECT_EQ(directory_->login_by_scram("alice@example.org", keys, here_).error().detail, "account suspended");
  ASSERT_TRUE(directory_->set_suspended("alice@example.org", false));
  ASSERT_TRUE(open()->set_password("alice@example.org", "new"));
  EXPECT_FALSE(directory_->login_by_scram("alice@example.org", keys, here_));
  EXPECT_EQ(directory_->standing(*account), Standing::PasswordChanged);
}

TEST_F(LoginTest, WithoutScramNothingIsKept) {
  options_.scram = false;
  const std::unique_ptr<Directory> plain = open();
  EXPECT_FALSE(plain->offers_scram());
  ASSERT_TRUE(plain->set_password("alice@example.org", "new"));
  EXPECT_TRUE(plain->scram_secrets("alice@example.org").keys.empty());
}

TEST_F(LoginTest, AProvenNameLogsInAndOutlivesANewPassword) {
  const Result<Account> account = directory_->login_by_name("alice@example.org");
  ASSERT_TRUE(account);
  EXPECT_FALSE(directory_->login_by_name("nobody@example.org"));
  ASSERT_TRUE(directory_->set_password("alice@example.org", "new"));
  EXPECT_EQ(directory_->standing(*account), Standing::Good) << "it was not the password that logged in";
  ASSERT_TRUE(directory_->set_suspended("alice@example.org", true));
  EXPECT_EQ(directory_->standing(*account), Standing::Suspended);
}

/// Knows one password for everybody below example.org.
class OnePassword final : public PasswordBackend {
 public:
  net::Task<Result<>> check(net::Loop& /*loop*/, std::string name, std::string password,
                            net::IpAddress) override {
    ++asked;
    if (name.starts_with("down")) co_return fail(Errc::Unavailable, "cannot connect");
    if (password != "elsewhere") co_return fail(Errc::Denied, "wrong");
    co_return Result<>{};
  }
  int asked = 0;
};

TEST_F(LoginTest, ABackEndIsAskedForThoseWithoutAPasswordHere) {
  auto backend = std::make_unique<OnePassword>();
  OnePassword& seen = *backend;
  directory_->set_backend(std::move(backend));
  EXPECT_FALSE(directory_->offers_scram()) << "nobody here has the keys";
  EXPECT_TRUE(login("alice@example.org", "right"));
  EXPECT_EQ(seen.asked, 0) << "she has her own";
  EXPECT_EQ(login("carol@example.org", "elsewhere").error().code, Errc::Denied) << "not our domain";
  ASSERT_TRUE(directory_->add_domain({"example.org", "s", test_key()}));
  EXPECT_EQ(login("carol@example.org", "wrong").error().code, Errc::Denied);
  EXPECT_EQ(login("down@example.org", "elsewhere").error().code, Errc::Unavailable);
  const Result<Account> carol = login("Carol@example.org", "elsewhere");
  ASSERT_TRUE(carol) << carol.error().detail;
  EXPECT_EQ(carol->address, "carol@example.org");
  const int asked = seen.asked;
  EXPECT_TRUE(login("carol@example.org", "elsewhere"));
  EXPECT_EQ(seen.asked, asked) << "right a moment ago";
  EXPECT_EQ(login("not an address", "elsewhere").error().code, Errc::Denied);
  ASSERT_TRUE(directory_->set_suspended("carol@example.org", true));
  EXPECT_EQ(login("carol@example.org", "elsewhere").error().detail, "account suspended");
}

/// A back end that knows one name, and remembers what it was asked.
class OneName final : public PasswordBackend {
 public:
  explicit OneName(std::vector<std::pair<std::string, std::string>>& asked) : asked_(asked) {}
  net::Task<Result<>> check(net::Loop& /*loop*/, std::string name, std::string password,
                            net::IpAddress /*client*/) override {
    asked_.emplace_back(name, password);
    if (name == "carol@example.org" && password == "theirs") co_return Result<>{};
    co_return fail(Errc::Denied, "wrong password or unknown account");
  }

 private:
  std::vector<std::pair<std::string, std::string>>& asked_;
};

// RFC 4954 §9, CWE-204, CWE-208: whoever is refused has waited for the back end and for a hash.
TEST_F(LoginTest, ARefusalAsksTheBackEndOnceWhoeverItIsAbout) {
  std::vector<std::pair<std::string, std::string>> asked;
  directory_->set_backend(std::make_unique<OneName>(asked));
  ASSERT_TRUE(directory_->add_domain({"example.org", "s1", test_key()}));
  ASSERT_TRUE(directory_->add_account_with_password("gone@example.org", "right", AccountClass::Person));
  ASSERT_TRUE(directory_->set_suspended("gone@example.org", true));
  ASSERT_TRUE(login("carol@example.org", "theirs"));
  asked.clear();
  for (const auto& [name, password] : {
           std::pair{"alice@example.org", "wrong"},  // has a password here
           {"gone@example.org", "right"},
           {"gone@example.org", "right"},    // as it was a moment ago
           {"carol@example.org", "wrong"},   // is known there
           {"nobody@example.org", "wrong"},  // is known nowhere
           {"root", "wrong"},                // is no address
       }) {
    EXPECT_EQ(login(name, password).error().code, Errc::Denied) << name;
    ASSERT_EQ(asked.size(), 1U) << name;
    const bool ours =
        std::string_view(name).starts_with("alice") || std::string_view(name).starts_with("gone");
    if (ours) {
      EXPECT_TRUE(asked[0].first.ends_with("@example.org")) << asked[0].first;
      EXPECT_NE(asked[0].first, name) << "what is ours to know is nobody else's to hear";
      EXPECT_NE(asked[0].second, password);
    }
    asked.clear();
  }
  EXPECT_TRUE(login("alice@example.org", "right"));
  EXPECT_TRUE(asked.empty()) << "who has a password here needs nobody else";
}

}  // namespace
}  // namespace postern::accounts
