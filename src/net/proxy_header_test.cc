#include "net/proxy_header.h"

#include <gtest/gtest.h>

namespace postern::net {
namespace {

std::string v2(const char* command_and_family, std::string_view addresses, std::size_t length) {
  std::string out("\r\n\r\n\0\r\nQUIT\n", 12);
  out += std::string_view(command_and_family, 2);
  out += static_cast<char>(length >> 8U);
  out += static_cast<char>(length & 255U);
  return out.append(addresses);
}
std::string v2(const char* command_and_family, std::string_view addresses) {
  return v2(command_and_family, addresses, addresses.size());
}

const std::string kFour("\xc0\x00\x02\x01\xc0\x00\x02\x02\xdc\x04\x02\x4b",
                        12);  // 192.0.2.1:56324 to 192.0.2.2:587

/// "malformed", "more", "nobody SIZE" or "CLIENT SIZE"
std::string told(std::string_view octets) {
  const auto parsed = parse_proxy_header(octets);
  if (!parsed) return "malformed";
  if (!*parsed) return "more";
  const auto& client = (*parsed)->client;
  return (client ? client->text() : "nobody") + " " + std::to_string((*parsed)->size);
}

TEST(ProxyProtocol, BothVersionsNameTheClient) {
  EXPECT_EQ(told("PROXY TCP4 192.0.2.1 192.0.2.2 56324 587\r\nEHLO"), "192.0.2.1:56324 42");
  EXPECT_EQ(told("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n"), "[2001:db8::1]:1 40");
  EXPECT_EQ(told("PROXY UNKNOWN\r\n"), "nobody 15");
  EXPECT_EQ(told("PROXY UNKNOWN whatever 1 2 3\r\n"), "nobody 30");
  EXPECT_EQ(told(v2("\x21\x11", kFour) + "EHLO"), "192.0.2.1:56324 28");
  EXPECT_EQ(told(v2("\x21\x11", kFour + std::string("\x04\x00\x01x", 4))), "192.0.2.1:56324 32") << "a TLV";
  EXPECT_EQ(told(v2("\x20\x11", kFour)), "nobody 28") << "LOCAL: the proxy's own health check";
  EXPECT_EQ(told(v2("\x21\x31", std::string(216, 'x'))), "nobody 232") << "a unix socket";
}

TEST(ProxyProtocol, EveryBeginningWantsMore) {
  for (const std::string& whole :
       {std::string("PROXY TCP4 192.0.2.1 192.0.2.2 56324 587\r\n"), v2("\x21\x11", kFour)}) {
    for (std::size_t length = 0; length < whole.size(); ++length)
      EXPECT_EQ(told(std::string_view(whole).substr(0, length)), "more") << length;
  }
}

TEST(ProxyProtocol, WhatIsNoHeaderIsRefused) {
  for (const std::string& text :
       {std::string("EHLO x\r\n"), std::string("PROXY TCP4 1.2.3 192.0.2.2 1 2\r\n"),
        std::string("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n"),
        std::string("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n"),
        std::string("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n"), std::string("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"),
        "PROXY UNKNOWN " + std::string(100, 'x') + "\r\n", v2("\x11\x11", kFour), v2("\x22\x11", kFour),
        v2("\x21\x11", kFour.substr(4)), v2("\x21\x11", kFour, 5000)}) {
    EXPECT_EQ(told(text), "malformed") << text;
  }
}

}  // namespace
}  // namespace postern::net
