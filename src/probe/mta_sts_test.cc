#include "probe/mta_sts.h"

#include <gtest/gtest.h>

namespace postern::probe {
namespace {

TEST(HttpBody, PlainAndChunked) {
  EXPECT_EQ(*http_body("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), "ok");
  EXPECT_EQ(*http_body("HTTP/1.0 200 OK\r\n\r\nuntil the end"), "until the end");
  EXPECT_EQ(*http_body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), "ok");
  EXPECT_FALSE(http_body("HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_FALSE(http_body("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"));
  EXPECT_FALSE(http_body("220 mail\r\n"));
  EXPECT_FALSE(http_body(""));
  EXPECT_FALSE(http_body("HTTP/1.0 200 OK\r\n\r\n" + std::string(100'000, 'x')));
}

}  // namespace
}  // namespace postern::probe
