#include "delivery/route_table.h"

#include <gtest/gtest.h>

namespace postern::delivery {
namespace {

RouteRule rule(std::string name, std::vector<std::string> to, std::vector<std::string> from = {}) {
  RouteRule r;
  r.name = std::move(name);
  r.to = std::move(to);
  r.from = std::move(from);
  return r;
}

TEST(RouteTableTest, TheFirstThatFitsDecides) {
  RouteChoice otherwise;
  const Result<RouteTable> table =
      RouteTable::make({rule("user", {"Boss@Partner.example"}), rule("exact", {"partner.example"}),
                        rule("below", {"*.partner.example"}), rule("news", {}, {"news@example.org"}),
                        rule("both", {"both.example"}, {"example.org"}), rule("reports", {}, {"<>"})},
                       otherwise);
  ASSERT_TRUE(table) << table.error().detail;
  const struct {
    const char* from;
    const char* to;
    const char* route;
  } cases[] = {
      {"a@example.org", "boss@partner.example", "user"},
      {"a@example.org", "b@partner.example", "exact"},
      {"a@example.org", "b@x.partner.example", "below"},
      {"a@example.org", "b@notpartner.example", "default"},
      {"News@Example.ORG", "b@other.example", "news"},
      {"a@example.org", "b@both.example", "both"},
      {"a@sub.example.org", "b@both.example", "default"},
      {"", "b@other.example", "reports"},
      {"", "b@partner.example", "exact"},
      {"a@example.org", "b@other.example", "default"},
  };
  for (const auto& c : cases) {
    const std::string to = c.to;
    EXPECT_EQ(table->choose(c.from, to, to.substr(to.find('@') + 1)).name, c.route)
        << c.from << " -> " << c.to;
  }
}

TEST(RouteTableTest, EgressKnowsWhatItReaches) {
  RouteRule r = rule("", {});
  r.source_addresses = {"192.0.2.1"};
  const Result<RouteTable> table = RouteTable::make({r}, {});
  ASSERT_TRUE(table);
  const RouteChoice& choice = table->choose("a@b", "c@d", "d");
  EXPECT_EQ(choice.name, "1") << "without a name, its number";
  EXPECT_TRUE(choice.egress.reaches(*net::IpAddress::parse("198.51.100.1")));
  EXPECT_FALSE(choice.egress.reaches(*net::IpAddress::parse("2001:db8::1")));
  EXPECT_TRUE(Egress{}.reaches(*net::IpAddress::parse("2001:db8::1")));
}

TEST(RouteTableTest, WhatMakesNoSenseIsRefused) {
  std::vector<RouteRule> wrong(11);
  wrong[0].action = RouteAction::Smarthost;
  wrong[1].smarthost = "ses";
  wrong[2].to = {""};
  wrong[3].to = {"<>"};
  wrong[4].from = {""};
  wrong[5].tls = "sometimes";
  wrong[6].source_addresses = {"192.0.2.1", "192.0.2.2"};
  wrong[7].socks5 = "localhost";
  wrong[8].socks5 = "127.0.0.1:1080";
  wrong[8].source_addresses = {"192.0.2.1"};
  wrong[9].socks5_user = "postern";
  wrong[9].socks5_password_file = "/etc/hostname";
  wrong[10].socks5 = "127.0.0.1:1080";
  wrong[10].socks5_user = "postern";
  for (std::size_t i = 0; i < wrong.size(); ++i) EXPECT_FALSE(RouteTable::make({wrong[i]}, {})) << i;
}

}  // namespace
}  // namespace postern::delivery
