#include "net/endpoint.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace postern::net {
namespace {

TEST(Endpoint, ParsesWhatItPrints) {
  for (const char* text : {"192.0.2.1:587", "[2001:db8::1]:465", "[::]:0", "0.0.0.0:65535"}) {
    const Result<Endpoint> endpoint = Endpoint::parse(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(endpoint->text(), text);
    sockaddr_storage raw{};
    endpoint->to_sockaddr(raw);
    EXPECT_EQ(Endpoint::from_sockaddr(raw), *endpoint);
  }
}

TEST(Endpoint, RefusesTheRest) {
  for (const char* text : {"", "587", "192.0.2.1", "192.0.2.1:", "192.0.2.1:70000", "192.0.2.1:5x", "::1:25",
                           "host:25", "[::1]"}) {
    EXPECT_FALSE(Endpoint::parse(text)) << text;
  }
}

TEST(IpAddress, NetworksAndLiterals) {
  const IpAddress v4 = *IpAddress::parse("192.0.2.77");
  const IpAddress v6 = *IpAddress::parse("2001:db8:1:2:3::4");
  EXPECT_EQ(v4.network(24, 64).text(), "192.0.2.0");
  EXPECT_EQ(v4.network(32, 64).text(), "192.0.2.77");
  EXPECT_EQ(v6.network(24, 64).text(), "2001:db8:1:2::");
  EXPECT_EQ(v6.network(24, 61).text(), "2001:db8:1::");
  EXPECT_EQ(v4.literal(), "[192.0.2.77]");
  EXPECT_EQ(v6.literal(), "[IPv6:2001:db8:1:2:3::4]");
  EXPECT_EQ(*IpAddress::parse("::ffff:192.0.2.77"), v4) << "a mapped address counts as IPv4";
  EXPECT_TRUE(IpAddress::parse("127.8.8.8")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("::1")->is_loopback());
  EXPECT_FALSE(v6.is_loopback());
}

}  // namespace
}  // namespace postern::net
