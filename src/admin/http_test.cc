#include "admin/http.h"

#include <gtest/gtest.h>

namespace postern::admin {
namespace {

struct Case {
  const char* request;
  const char* status;  // nullptr: not complete yet
  const char* body;
};

TEST(HttpResponse, AnswersByMethodAndPath) {
  std::string trouble;
  const HttpAnswers answers{[] { return std::string("postern_up 1\n"); }, [&trouble] { return trouble; }};
  const Case kCases[] = {
      {"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200", "postern_up 1\n"},
      {"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200", ""},
      {"GET /healthz HTTP/1.0\r\n\r\n", "200", "alive\n"},
      {"GET /readyz HTTP/1.1\r\n\r\n", "200", "ready\n"},
      {"GET /healthz?x=1 HTTP/1.1\r\nHost: x\r\n\r\n", "200", "alive\n"},
      // RFC 9112 §3.2.2: a server MUST accept the absolute-form
      {"GET http://x:8587/healthz HTTP/1.1\r\nHost: x\r\n\r\n", "200", "alive\n"},
      {"GET HTTP://x/readyz?y HTTP/1.1\r\nHost: x\r\n\r\n", "200", "ready\n"},
      {"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n", "404", "there are /metrics, /healthz and /readyz\n"},
      {"GET http://x?/healthz HTTP/1.1\r\nHost: x\r\n\r\n", "404",
       "there are /metrics, /healthz and /readyz\n"},
      {"GET /healthz/ HTTP/1.1\r\nHost: x\r\n\r\n", "404", "there are /metrics, /healthz and /readyz\n"},
      {"GET / HTTP/1.1\r\n\r\n", "404", "there are /metrics, /healthz and /readyz\n"},
      {"POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "405", "only GET and HEAD\n"},
      {"EHLO client.example\r\n\r\n", "400", "not HTTP\n"},
      {"GET /metr", nullptr, ""},
      {"GET /metrics HTTP/1.1\r\nHost: x\r\n", nullptr, ""},
  };
  for (const Case& c : kCases) {
    const std::string response = http_response(c.request, answers);
    if (c.status == nullptr) {
      EXPECT_EQ(response, "") << c.request;
      continue;
    }
    EXPECT_TRUE(response.starts_with(std::string("HTTP/1.1 ") + c.status)) << c.request << response;
    EXPECT_EQ(response.substr(response.find("\r\n\r\n") + 4), c.body) << c.request;
    EXPECT_NE(response.find("Connection: close\r\n"), std::string::npos) << response;
  }
  trouble = "the queue cannot be written: disk full";
  const std::string down = http_response("GET /readyz HTTP/1.1\r\n\r\n", answers);
  EXPECT_TRUE(down.starts_with("HTTP/1.1 503")) << down;
  EXPECT_TRUE(down.ends_with(trouble + "\n")) << down;
}

TEST(HttpResponse, ARequestWithoutEndIsRefused) {
  const HttpAnswers answers{[] { return std::string(); }, [] { return std::string(); }};
  const std::string endless = "GET /metrics HTTP/1.1\r\nX: " + std::string(9000, 'x');
  EXPECT_TRUE(http_response(endless, answers).starts_with("HTTP/1.1 400"));
}

}  // namespace
}  // namespace postern::admin
