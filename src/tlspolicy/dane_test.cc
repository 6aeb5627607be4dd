#include "tlspolicy/dane.h"

#include "dns/fake_resolver.h"
#include "net/loop.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace postern::tlspolicy {
namespace {

using State = Dane::State;

const net::TlsaRecord kGood{3, 1, 1, std::string(32, 'x')};
const net::TlsaRecord kPkix{1, 1, 1, std::string(32, 'x')};

/// A signed host "mx.test" and what is at _25._tcp below it.
class DaneTest : public testing::Test {
 protected:
  DaneTest() {
    resolver_.add_host("mx.test", {"192.0.2.1"});
    resolver_.sign("mx.test");
  }
  Dane look(const std::string& host = "mx.test") {
    Dane found;
    loop_.spawn(look_up(host, found));
    loop_.run();
    return found;
  }
  net::Task<> look_up(std::string host, Dane& out) {
    Dane found = co_await look_up_dane(resolver_, std::move(host), 25);
    out = std::move(found);
    loop_.stop();
  }
  bool asked(const std::string& question) const {
    const auto& all = resolver_.asked();
    return std::find(all.begin(), all.end(), question) != all.end();
  }
  net::Loop loop_;
  dns::FakeResolver resolver_;
};

TEST_F(DaneTest, SecureRecordsApply) {
  resolver_.add_tlsa("_25._tcp.mx.test", {kPkix, kGood});
  const Dane dane = look();
  EXPECT_EQ(dane.state, State::Usable);
  EXPECT_EQ(dane.peer.name, "mx.test");
  EXPECT_EQ(dane.peer.tlsa.size(), 2U);
}

TEST_F(DaneTest, OnlyUnusableOnesStillAskForTls) {
  for (const net::TlsaRecord& record :
       {kPkix, net::TlsaRecord{0, 1, 1, std::string(32, 'x')}, net::TlsaRecord{3, 2, 1, std::string(32, 'x')},
        net::TlsaRecord{3, 1, 3, std::string(32, 'x')}, net::TlsaRecord{3, 1, 1, "short"},
        net::TlsaRecord{3, 1, 2, std::string(32, 'x')}, net::TlsaRecord{255, 1, 1, std::string(32, 'x')}}) {
    resolver_.add_tlsa("_25._tcp.mx.test", {record});
    EXPECT_EQ(look().state, State::Unusable) << to_text(record);
  }
}

TEST_F(DaneTest, NoneOrUnsignedOnesDoNotApply) {
  EXPECT_EQ(look().state, State::NotApplicable);
  resolver_.add_tlsa("_25._tcp.mx.test", {kGood}, false);
  EXPECT_EQ(look().state, State::NotApplicable);
}

TEST_F(DaneTest, UnsignedHostsAreNotAskedForTlsa) {
  resolver_.add_host("plain.test", {"192.0.2.1"});
  resolver_.fail_with("_25._tcp.plain.test", fail(Errc::Unavailable, "NOTIMP"));
  EXPECT_EQ(look("plain.test").state, State::NotApplicable);
  EXPECT_FALSE(asked("TLSA _25._tcp.plain.test"));
}

TEST_F(DaneTest, TroubleIsNeverTakenForNoRecord) {
  resolver_.fail_with("_25._tcp.mx.test", fail(Errc::Unavailable, "SERVFAIL"));
  EXPECT_EQ(look().state, State::Failed);
  resolver_.fail_with("broken.test", fail(Errc::Unavailable, "bogus"));
  EXPECT_EQ(look("broken.test").state, State::Failed);
}

TEST_F(DaneTest, AnAliasIsExpandedAndThenTriedItself) {
  resolver_.add_alias("alias.test", "mx.test", true);
  resolver_.add_tlsa("_25._tcp.alias.test", {kGood});
  EXPECT_EQ(look("alias.test").peer.name, "alias.test");
  EXPECT_TRUE(asked("TLSA _25._tcp.mx.test"));
  resolver_.add_tlsa("_25._tcp.mx.test", {kGood});
  EXPECT_EQ(look("alias.test").peer.name, "mx.test");
}

TEST_F(DaneTest, ASignedAliasOfAnUnsignedHostHasOnlyItsOwnName) {
  resolver_.add_host("plain.test", {"192.0.2.1"});
  resolver_.add_tlsa("_25._tcp.plain.test", {kGood});
  resolver_.add_tlsa("_25._tcp.alias.test", {kGood});
  resolver_.add_alias("alias.test", "plain.test", true);
  EXPECT_EQ(look("alias.test").peer.name, "alias.test");
  EXPECT_FALSE(asked("TLSA _25._tcp.plain.test"));
  resolver_.add_alias("alias.test", "plain.test", false);
  EXPECT_EQ(look("alias.test").state, State::NotApplicable);
}

TEST(TlsaRecord, PresentationForm) { EXPECT_EQ(to_text({3, 1, 1, "\x01\xab"}), "3 1 1 01ab"); }

}  // namespace
}  // namespace postern::tlspolicy
