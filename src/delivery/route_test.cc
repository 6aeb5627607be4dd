#include "delivery/route.h"

#include "dns/fake_resolver.h"
#include "net/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postern::delivery {
namespace {

using ::testing::ElementsAre;

class RouteTest : public ::testing::Test {
 protected:
  Route find(const std::string& domain) {
    Route route;
    loop_.spawn(run(domain, route));
    loop_.run();
    return route;
  }
  net::Task<> run(std::string domain, Route& out) {
    Route route = co_await find_route(resolver_, self_, domain, 25, rng_);
    out = std::move(route);
    loop_.stop();
  }
  static std::vector<std::string> addresses(const Route& route) {
    std::vector<std::string> out;
    for (const Target& t : route.targets) out.push_back(t.endpoint.ip.text());
    return out;
  }

  net::Loop loop_;
  dns::FakeResolver resolver_;
  Identity self_{.hostname = "postern.example.org", .own_addresses = {*net::IpAddress::parse("192.0.2.99")}};
  Rng rng_{1};
};

TEST_F(RouteTest, HostsByPreferenceThenAllTheirAddresses) {
  resolver_.add_mx("example.net", {{20, "b.example.net"}, {10, "a.example.net"}});
  resolver_.add_host("a.example.net", {"2001:db8::1", "192.0.2.1"});
  resolver_.add_host("b.example.net", {"192.0.2.2"});
  EXPECT_THAT(addresses(find("example.net")), ElementsAre("2001:db8::1", "192.0.2.1", "192.0.2.2"));
}

TEST_F(RouteTest, EqualPreferencesAreShared) {
  resolver_.add_mx("example.net", {{10, "a.example.net"}, {10, "b.example.net"}, {20, "c.example.net"}});
  resolver_.add_host("a.example.net", {"192.0.2.1"});
  resolver_.add_host("b.example.net", {"192.0.2.2"});
  resolver_.add_host("c.example.net", {"192.0.2.3"});
  int first_a = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::vector<std::string> got = addresses(find("example.net"));
    ASSERT_EQ(got.size(), 3U);
    EXPECT_EQ(got[2], "192.0.2.3");
    first_a += got[0] == "192.0.2.1" ? 1 : 0;
  }
  EXPECT_GT(first_a, 400);
  EXPECT_LT(first_a, 600);
}

TEST_F(RouteTest, WithoutMxTheDomainItselfIsTheHost) {
  resolver_.add_mx("example.net", {});
  resolver_.add_host("example.net", {"192.0.2.7"});
  EXPECT_THAT(addresses(find("example.net")), ElementsAre("192.0.2.7"));
}

TEST_F(RouteTest, WithMxTheDomainsOwnAddressIsNeverUsed) {
  resolver_.add_mx("example.net", {{10, "gone.example.net"}});
  resolver_.add_host("example.net", {"192.0.2.7"});
  const Route route = find("example.net");
  EXPECT_TRUE(route.targets.empty());
  EXPECT_EQ(route.failure.decision, Decision::Failed);
  EXPECT_EQ(route.failure.status, "5.4.4");
}

TEST_F(RouteTest, NullMxFailsWithoutAddressLookup) {
  resolver_.add_null_mx("example.net");
  const Route route = find("example.net");
  EXPECT_EQ(route.failure.decision, Decision::Failed);
  EXPECT_EQ(route.failure.status, "5.1.10");
  EXPECT_THAT(resolver_.asked(), ElementsAre("MX example.net")) << "RFC 7505 §3";
}

TEST_F(RouteTest, MissingDomainFailsAndBrokenDnsWaits) {
  const Route missing = find("example.net");
  EXPECT_EQ(missing.failure.decision, Decision::Failed);
  EXPECT_EQ(missing.failure.status, "5.1.2");

  resolver_.fail_with("example.com", fail(Errc::Unavailable, "SERVFAIL"));
  const Route broken = find("example.com");
  EXPECT_EQ(broken.failure.decision, Decision::Retry);
  EXPECT_EQ(broken.failure.status, "4.4.3");

  resolver_.add_mx("example.org", {{10, "a.example.org"}});
  resolver_.fail_with("a.example.org", fail(Errc::Unavailable, "timeout"));
  EXPECT_EQ(find("example.org").failure.decision, Decision::Retry);
}

TEST_F(RouteTest, OneHostThatCannotBeLookedUpDoesNotStopTheOthers) {
  resolver_.add_mx("example.net", {{10, "a.example.net"}, {20, "b.example.net"}});
  resolver_.fail_with("a.example.net", fail(Errc::Unavailable, "timeout"));
  resolver_.add_host("b.example.net", {"192.0.2.2"});
  EXPECT_THAT(addresses(find("example.net")), ElementsAre("192.0.2.2"));
}

TEST_F(RouteTest, OurselvesAndWorseHostsAreDropped) {
  resolver_.add_mx(
      "example.net",
      {{10, "a.example.net"}, {20, "Postern.Example.ORG"}, {20, "b.example.net"}, {30, "c.example.net"}});
  for (const char* name : {"a.example.net", "b.example.net", "c.example.net"})
    resolver_.add_host(name, {"192.0.2.1"});
  EXPECT_EQ(find("example.net").targets.size(), 1U);

  resolver_.add_mx("example.com", {{10, "a.example.net"}, {20, "alias.example.net"}, {30, "c.example.net"}});
  resolver_.add_host("alias.example.net", {"192.0.2.99"});
  EXPECT_EQ(find("example.com").targets.size(), 1U);
}

TEST_F(RouteTest, BestHostIsOurselvesMeansLoop) {
  resolver_.add_mx("example.net", {{10, "alias.example.net"}, {20, "b.example.net"}});
  resolver_.add_host("alias.example.net", {"192.0.2.99"});
  resolver_.add_host("b.example.net", {"192.0.2.2"});
  const Route route = find("example.net");
  EXPECT_TRUE(route.targets.empty());
  EXPECT_EQ(route.failure.decision, Decision::Failed);
  EXPECT_EQ(route.failure.status, "5.4.6");
}

TEST_F(RouteTest, AddressLiteralNeedsNoDns) {
  EXPECT_THAT(addresses(find("[192.0.2.5]")), ElementsAre("192.0.2.5"));
  EXPECT_THAT(addresses(find("[IPv6:2001:db8::5]")), ElementsAre("2001:db8::5"));
  EXPECT_EQ(find("[192.0.2.99]").failure.status, "5.4.6");
  EXPECT_EQ(find("[nonsense]").failure.status, "5.1.2");
}

TEST(ConnectPatience, IsShortWhereTheSameHostHasTheOtherFamily) {
  const auto at = [](const char* host, const char* ip) {
    return Target{host, {*net::IpAddress::parse(ip), 25}};
  };
  const std::vector<Target> targets{at("a.test", "2001:db8::1"), at("a.test", "2001:db8::2"),
                                    at("a.test", "192.0.2.1"), at("b.test", "2001:db8::3")};
  EXPECT_GT(connect_patience(targets, 0).count(), 0);
  EXPECT_GT(connect_patience(targets, 1).count(), 0);
  EXPECT_EQ(connect_patience(targets, 2).count(), 0) << "the last of its host";
  EXPECT_EQ(connect_patience(targets, 3).count(), 0) << "no other way to this host";
}

}  // namespace
}  // namespace postern::delivery
