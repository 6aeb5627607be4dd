// Addresses that look like, or are spelt otherwise than, one of an account's. Sources: Unicode UTS #39 (confusables), UTS #36 §2;
// RFC 6532 §3.1 (normal form C), RFC 5890 §2.3.2.1 (A-labels), RFC 5321 §2.4, §4.1.2 (quoting); Shen et al., "Weak Links in
// Authentication Chains", USENIX Security 2021 (IDN homographs).
#include "accounts/testing/directory_fixture.h"

#include <gtest/gtest.h>

namespace postern::accounts {
namespace {

class ConfusablesTest : public testing::DirectoryFixture {
 protected:
  void SetUp() override {
    DirectoryFixture::SetUp();
    alice_ = directory_->accounts()->front();
    ASSERT_TRUE(directory_->add_account_with_password("jörg@bücher.example", "right", AccountClass::Person));
    joerg_ = *directory_->find(directory_->accounts()->back().id);
    ASSERT_TRUE(directory_->add_alias("news-*@*.straße.example", "alice@example.org"));
  }
  Account alice_;
  Account joerg_;
};

struct Spelling {
  const char* what;
  mail::Mailbox mailbox;
  bool same;
};

TEST_F(ConfusablesTest, WhatOnlyLooksLikeTheAddressIsSomebodyElses) {
  for (const Spelling& c : {
           Spelling{"as it is", {"alice", "example.org"}, true},
           {"capitals", {"ALICE", "EXAMPLE.org"}, true},
           {"tagged", {"alice+tag", "example.org"}, true},
           {"a full-width domain, which UTS #46 maps", {"alice", "\uFF45xample.org"}, true},
           {"Cyrillic a", {"\u0430lice", "example.org"}, false},
           {"Cyrillic a in the domain", {"alice", "ex\u0430mple.org"}, false},
           {"Greek omicron in the domain", {"alice", "example.\u03BFrg"}, false},
           {"full-width a", {"\uFF41lice", "example.org"}, false},
           {"zero-width joiner", {"ali\u200Dce", "example.org"}, false},
           {"zero-width space", {"alice\u200B", "example.org"}, false},
           {"right-to-left override", {"\u202Eecila", "example.org"}, false},
           {"combining accent", {"alice\u0301", "example.org"}, false},
           {"dotless i", {"al\u0131ce", "example.org"}, false},
           {"capital dotted I", {"AL\u0130CE", "example.org"}, false},
           {"Kelvin sign for k in the domain", {"alice", "example.or\u212A"}, false},
           {"a dot more", {"alice.", "example.org"}, false},
           {"a space, which quotes allow", {"alice ", "example.org"}, false},
           {"the address as a local part", {"alice@example.org", "evil.example"}, false},
           {"NUL", {std::string("alice\0x", 7), "example.org"}, false},
           {"a domain below", {"alice", "mail.example.org"}, false},
           {"a soft hyphen in the domain", {"alice", "exam\u00ADple.org"}, false},
           {"a trailing dot", {"alice", "example.org."}, false},
           {"not UTF-8", {"alice\xFF", "example.org"}, false},
           {"a domain that is not UTF-8", {"alice", "example\xFF.org"}, false},
       }) {
    EXPECT_EQ(directory_->may_send_as(alice_, c.mailbox), c.same) << c.what;
  }
}

TEST_F(ConfusablesTest, OneInternationalAddressIsOneHoweverItIsSpelt) {
  EXPECT_EQ(joerg_.address, "jörg@xn--bcher-kva.example");
  for (const Spelling& c : {
           Spelling{"U-label", {"jörg", "bücher.example"}, true},
           {"A-label", {"jörg", "xn--bcher-kva.example"}, true},
           {"A-label in capitals", {"jörg", "XN--BCHER-KVA.EXAMPLE"}, true},
           {"capital U-label", {"jörg", "BÜCHER.example"}, true},
           {"decomposed domain", {"jörg", "bu\u0308cher.example"}, true},
           {"decomposed local part", {"jo\u0308rg", "bücher.example"}, true},
           {"tagged", {"jörg+news", "bücher.example"}, true},
           {"another case beyond ASCII is another local part", {"JÖRG", "bücher.example"}, false},
           {"without the dots", {"jorg", "bücher.example"}, false},
           {"domain without the dots", {"jörg", "bucher.example"}, false},
           {"another A-label", {"jörg", "xn--bcher-kvb.example"}, false},
       }) {
    EXPECT_EQ(directory_->may_send_as(joerg_, c.mailbox), c.same) << c.what;
  }
  EXPECT_TRUE(directory_->may_send_as(alice_, {"news-1", "a.xn--strae-oqa.example"})) << "patterns too";
  EXPECT_TRUE(directory_->may_send_as(alice_, {"news-1", "a.straße.example"}));
  EXPECT_FALSE(directory_->may_send_as(alice_, {"news-1", "a.strasse.example"}));
}

TEST_F(ConfusablesTest, LoginsAndDomainsAreFoundInEverySpelling) {
  for (const char* name : {"jörg@bücher.example", "jo\u0308rg@BÜCHER.example", "jörg@xn--bcher-kva.example"})
    EXPECT_TRUE(login(name, "right")) << name;
  for (const char* name :
       {"jorg@bücher.example", "\u0430lice@example.org", "alice@ex\u0430mple.org", "alice\u200B"})
    EXPECT_FALSE(login(name, "right")) << name;
  EXPECT_EQ(directory_->add_account_with_password("jörg@xn--bcher-kva.example", "x", AccountClass::Person)
                .error()
                .code,
            Errc::Denied)
      << "it exists already";
  ASSERT_TRUE(directory_->add_domain({"Bücher.example", "s1", test_key()}));
  for (const char* name : {"bücher.example", "BÜCHER.EXAMPLE", "xn--bcher-kva.example"}) {
    const std::optional<Domain> found = directory_->domain(name);
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(found->name, "xn--bcher-kva.example") << "as a signature names it (RFC 8616 §4)";
  }
  EXPECT_TRUE(directory_->remove_domain("bu\u0308cher.example"));
}

}  // namespace
}  // namespace postern::accounts
