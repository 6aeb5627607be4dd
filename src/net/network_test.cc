#include "net/network.h"

#include <gtest/gtest.h>

namespace postern::net {
namespace {

TEST(Network, ContainsWhatThePrefixSays) {
  const auto contains = [](const char* network, const char* ip) {
    return Network::parse(network)->contains(*IpAddress::parse(ip));
  };
  EXPECT_TRUE(contains("192.0.2.0/24", "192.0.2.255"));
  EXPECT_FALSE(contains("192.0.2.0/24", "192.0.3.0"));
  EXPECT_TRUE(contains("0.0.0.0/0", "203.0.113.9"));
  EXPECT_FALSE(contains("0.0.0.0/0", "2001:db8::1")) << "families do not mix";
  EXPECT_TRUE(contains("192.0.2.128/25", "::ffff:192.0.2.200")) << "a mapped address is IPv4";
  EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::1"));
  EXPECT_TRUE(contains("2001:db8::1", "2001:db8::1"));
  EXPECT_FALSE(contains("127.0.0.1", "127.0.0.2"));
}

TEST(Network, HasAFirstAndALastAddress) {
  for (const auto& [text, last] :
       {std::pair{"192.0.2.0/24", "192.0.2.255"}, std::pair{"192.0.2.128/25", "192.0.2.255"},
        std::pair{"192.0.2.8/30", "192.0.2.11"}, std::pair{"192.0.2.7", "192.0.2.7"},
        std::pair{"0.0.0.0/0", "255.255.255.255"},
        std::pair{"2001:db8::/33", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"}}) {
    EXPECT_EQ(Network::parse(text)->last().text(), last) << text;
    EXPECT_TRUE(Network::parse(text)->contains(Network::parse(text)->first()));
  }
}

TEST(Network, IsReadAndWritten) {
  for (const char* text : {"192.0.2.0/24", "2001:db8::/32", "127.0.0.1", "::1", "0.0.0.0/0"})
    EXPECT_EQ(Network::parse(text)->text(), text);
  EXPECT_EQ(Network::parse("10.0.0.1/32")->text(), "10.0.0.1");
  for (const char* bad :
       {"", "example.org", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/x", "192.0.2.0/8 ", "::/129"})
    EXPECT_FALSE(Network::parse(bad)) << bad;
  EXPECT_NE(Network::parse("192.0.2.1/24").error().detail.find("did you mean 192.0.2.0/24?"),
            std::string::npos);
}

}  // namespace
}  // namespace postern::net
