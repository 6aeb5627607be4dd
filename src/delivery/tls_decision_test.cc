#include "delivery/tls_decision.h"

#include "delivery/map.h"
#include "delivery/next_hop.h"
#include "dns/fake_resolver.h"
#include "net/loop.h"

#include <gtest/gtest.h>

namespace postern::delivery {
namespace {

TlsWish wish_of(std::string_view content) { return tls_wish({}, content); }

TEST(TlsWishOfMessage, OnlyThatFieldWithThatValueInTheHeader) {
  EXPECT_EQ(wish_of("From: a@b\r\nTLS-Required: No\r\n\r\nbody"), TlsWish::Waived);
  EXPECT_EQ(wish_of("tls-required:\tNO \r\n"), TlsWish::Waived);
  for (const char* kept :
       {"", "body", "TLS-Required: Yes\r\n\r\n", "TLS-Required:\r\n\r\n", "X-TLS-Required: No\r\n\r\n",
        "From: a@b\r\n\r\nTLS-Required: No\r\n", "TLS-Required: No way\r\n\r\n"}) {
    EXPECT_EQ(wish_of(kept), TlsWish::OfDomain) << kept;
  }
}

// RFC 8689 §4.1, §5: the parameter outweighs the field; a report is not held up.
TEST(TlsWishOfMessage, RequireTlsOutweighsTheHeader) {
  smtp::Envelope envelope;
  envelope.params.handling.require_tls = true;
  EXPECT_EQ(tls_wish(envelope, ""), TlsWish::OfDomain) << "from <>";
  envelope.reverse_path = "a@example.org";
  EXPECT_EQ(tls_wish(envelope, "TLS-Required: No\r\n\r\n"), TlsWish::Protected);
}

/// One signed domain "a.test" with the host "mx.a.test".
class TlsPoliciesTest : public testing::Test {
 protected:
  TlsPoliciesTest() {
    resolver_.add_mx("a.test", {{10, "mx.a.test"}});
    resolver_.sign("a.test");
    resolver_.add_host("mx.a.test", {"192.0.2.1"});
    resolver_.sign("mx.a.test");
    resolver_.add_tlsa("_25._tcp.mx.a.test", {{3, 1, 1, std::string(32, 'x')}});
    for (const auto& [name, policy] : option_names(TlsPolicy{})) {
      Options options;
      options.tls = policy;
      map_.other_manners[policy] = make_manners(options, std::nullopt).value();
    }
    map_.manners = map_.other_manners[TlsPolicy::Opportunistic];
  }
  /// "required dane", "opportunistic delivery.tls", or the error.
  std::string decide(const RouteChoice& choice = {}, TlsWish wishes = TlsWish::OfDomain) {
    std::string out;
    loop_.spawn(run(choice, wishes, out));
    loop_.run();
    return out;
  }
  net::Task<> run(const RouteChoice& choice, TlsWish wishes, std::string& out) {
    TlsPolicies policies(loop_, resolver_, map_, nullptr);
    NextHops hops(map_, resolver_, clock_, policies);
    const std::shared_ptr<const NextHop> hop = co_await hops.find(choice, "a.test", wishes);
    const Target target{"mx.a.test", {*net::IpAddress::parse("192.0.2.1"), 25}};
    const Result<TlsDecision> tls = co_await policies.of_host(*hop, target);
    if (!tls) out = to_string(tls.error().code);
    for (const auto& [name, policy] : option_names(TlsPolicy{})) {
      if (tls && tls->policy == policy) out = std::string(name) + " " + tls->reason;
    }
    loop_.stop();
  }
  RouteChoice route(TlsPolicy tls) {
    RouteChoice choice;
    choice.name = "r";
    choice.tls = tls;
    return choice;
  }

  net::Loop loop_;
  FakeClock clock_;
  dns::FakeResolver resolver_;
  Map map_;
};

TEST_F(TlsPoliciesTest, TlsaRecordsRaiseWhatIsConfigured) {
  EXPECT_EQ(decide(), "required dane");
  map_.manners = map_.other_manners[TlsPolicy::Required];
  EXPECT_EQ(decide(), "required dane");
}

TEST_F(TlsPoliciesTest, TheOperatorHasTheLastWord) {
  EXPECT_EQ(decide(route(TlsPolicy::Opportunistic)), "opportunistic route r");
  EXPECT_EQ(decide(route(TlsPolicy::None)), "none route r");
  EXPECT_EQ(decide(route(TlsPolicy::Dane)), "required dane");
  map_.dane = false;
  EXPECT_EQ(decide(), "opportunistic delivery.tls");
  map_.dane = true;
  map_.manners = map_.other_manners[TlsPolicy::None];
  EXPECT_EQ(decide(), "none delivery.tls");
}

TEST_F(TlsPoliciesTest, WhoInsistsOnDaneGetsNothingLess) {
  resolver_.add_tlsa("_25._tcp.mx.a.test", {});
  EXPECT_EQ(decide(), "opportunistic delivery.tls");
  EXPECT_EQ(decide(route(TlsPolicy::Dane)), to_string(Errc::Denied));
  resolver_.add_tlsa("_25._tcp.mx.a.test", {{0, 1, 1, std::string(32, 'x')}});
  EXPECT_EQ(decide(), "required dane, no usable TLSA record");
  EXPECT_EQ(decide(route(TlsPolicy::Dane)), to_string(Errc::Denied));
}

TEST_F(TlsPoliciesTest, UnsignedMxRecordsMeanNoDane) {
  resolver_.add_mx("a.test", {{10, "mx.a.test"}});
  EXPECT_EQ(decide(), "opportunistic delivery.tls");
}

TEST_F(TlsPoliciesTest, TroubleIsNotClearText) {
  resolver_.fail_with("_25._tcp.mx.a.test", fail(Errc::Unavailable, "SERVFAIL"));
  EXPECT_EQ(decide(), to_string(Errc::Unavailable));
}

TEST_F(TlsPoliciesTest, AMessageMayWaiveWhatTheDomainAsksFor) {
  EXPECT_EQ(decide({}, TlsWish::Waived), "opportunistic delivery.tls");
}

}  // namespace
}  // namespace postern::delivery
