#include "net/http_client.h"

#include "net/listener.h"
#include "net/local_ca.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace postern::net {
namespace {

SteadyTime soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(5); }

TEST(HttpUrl, IsTakenApart) {
  const auto shown = [](const char* text) -> std::string {
    const Result<HttpUrl> url = HttpUrl::parse(text);
    if (!url) return "bad";
    return std::string(url->tls ? "tls " : "clear ") + url->host + ' ' + std::to_string(url->port) + ' ' +
           url->target + ' ' + url->authority();
  };
  EXPECT_EQ(shown("https://Example.ORG"), "tls example.org 443 / example.org");
  EXPECT_EQ(shown("HTTPS://example.org/a/b?c=d#frag"), "tls example.org 443 /a/b?c=d example.org");
  EXPECT_EQ(shown("https://example.org?x"), "tls example.org 443 /?x example.org");
  EXPECT_EQ(shown("http://example.org:8080/x"), "clear example.org 8080 /x example.org:8080");
  EXPECT_EQ(shown("https://[2001:DB8::1]:444/"), "tls 2001:db8::1 444 / [2001:db8::1]:444");
  for (const char* bad : {"", "example.org", "ftp://x/", "https://", "https:///x", "https://u:p@example.org/",
                          "https://x:0/", "https://x:65536/", "https://x:1a/", "https://[::1/",
                          "https://[zz]/", "https://x/a b", "https://x/\r\nHost: y"}) {
    EXPECT_EQ(shown(bad), "bad") << bad;
  }
}

TEST(PercentEncode, LeavesUnreservedCharactersOnly) {
  EXPECT_EQ(percent_encode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encode("a b+\xc3\xa9/"), "a%20b%2B%C3%A9%2F");
}

class FixedLookup final : public AddressLookup {
 public:
  Task<Result<std::vector<IpAddress>>> lookup(Loop& /*loop*/, std::string host) override {
    if (host == "missing.example") co_return fail(Errc::NotFound, "no such host");
    co_return std::vector<IpAddress>{*IpAddress::parse("127.0.0.1")};
  }
};

/// Answers every request with `answer`, and keeps the last request.
struct Peer {
  std::shared_ptr<TlsServer> tls;
  std::string answer;
  std::string request;
};

Task<> serve(Stream stream, Peer& peer) {
  if (peer.tls) {
    const Result<> done = co_await stream.accept_tls(peer.tls, soon());
    if (!done) co_return;
  }
  peer.request.clear();
  for (;;) {
    const Result<std::string_view> more = co_await stream.read_some(soon());
    if (!more) co_return;
    peer.request += *more;
    stream.consume(more->size());
    const std::size_t end = peer.request.find("\r\n\r\n");
    const bool body_there =
        peer.request.find("Content-Length: 5") == std::string::npos || peer.request.ends_with("hello");
    if (end != std::string::npos && body_there) break;
  }
  const Result<> written = co_await stream.write(peer.answer, soon());
  if (written) co_await stream.shutdown(soon());
}

Task<> ask(Loop& loop, HttpClient& client, HttpRequest request, SteadyTime deadline,
           Result<HttpResponse>& out) {
  out = co_await client.fetch(loop, std::move(request), deadline);
  loop.stop();
}

class HttpClientTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "postern-http-XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
    const Result<LocalCa> made = make_local_ca({"keys.example"}, std::chrono::hours(1));
    std::ofstream(dir_ + "/ca") << made->ca_certificate;
    std::ofstream(dir_ + "/crt") << made->certificate;
    std::ofstream(dir_ + "/key") << made->key;
    tls_ = *TlsServer::load({{dir_ + "/crt", dir_ + "/key"}});
    listener_ = *Listener::open(loop_, *Endpoint::parse("127.0.0.1:0"));
    listener_->serve([this](Stream stream) { loop_.spawn(serve(std::move(stream), peer_)); });
    options_.ca_file = dir_ + "/ca";
    options_.allow_clear = true;
    options_.max_body = 100;
  }
  void TearDown() override {
    loop_.abandon_tasks();
    std::filesystem::remove_all(dir_);
  }
  [[nodiscard]] std::string url(const std::string& start) const {
    return start + ':' + std::to_string(listener_->local().port) + "/where?x=1";
  }
  Result<HttpResponse> fetch(HttpRequest request, SteadyTime deadline = soon()) {
    const std::unique_ptr<HttpClient> client = *HttpClient::create(options_, lookup_);
    Result<HttpResponse> out = fail(Errc::Internal, "did not run");
    loop_.spawn(ask(loop_, *client, std::move(request), deadline, out));
    loop_.run();
    return out;
  }
  /// What a clear GET makes of `answer`: "status body", or the error's name.
  std::string outcome(std::string answer) {
    peer_.answer = std::move(answer);
    const Result<HttpResponse> got = fetch({.url = url("http://keys.example")});
    return got ? std::to_string(got->status) + ' ' + got->body : to_string(got.error().code);
  }

  std::string dir_;
  std::shared_ptr<TlsServer> tls_;
  Peer peer_;
  FixedLookup lookup_;
  HttpClient::Options options_;
  Loop loop_;
  std::unique_ptr<Listener> listener_;
};

TEST_F(HttpClientTest, SendsARequestAndReadsTheAnswerOverVerifiedTls) {
  peer_.tls = tls_;
  peer_.answer = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\nX-Thing: One\r\n\r\nok";
  const Result<HttpResponse> got = fetch(
      {.method = "POST", .url = url("https://keys.example"), .fields = {{"X-Mine", "v"}}, .body = "hello"});
  ASSERT_TRUE(got) << got.error().detail;
  EXPECT_EQ(got->status, 201U);
  EXPECT_EQ(got->body, "ok");
  EXPECT_EQ(got->field("x-thing"), "One");
  EXPECT_TRUE(peer_.request.starts_with("POST /where?x=1 HTTP/1.1\r\n")) << peer_.request;
  EXPECT_NE(peer_.request.find("\r\nHost: keys.example:"), std::string::npos);
  EXPECT_NE(peer_.request.find("\r\nX-Mine: v\r\n"), std::string::npos);
  EXPECT_TRUE(peer_.request.ends_with("\r\n\r\nhello"));
}

TEST_F(HttpClientTest, RefusesACertificateForAnotherNameOrOfAnUnknownIssuer) {
  peer_.tls = tls_;
  peer_.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  EXPECT_EQ(fetch({.url = url("https://other.example")}).error().code, Errc::Denied);
  options_.ca_file.clear();
  EXPECT_EQ(fetch({.url = url("https://keys.example")}).error().code, Errc::Denied);
}

TEST_F(HttpClientTest, ReadsEveryFormOfBodyAndBoundsIt) {
  EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
            "200 abcde");
  EXPECT_EQ(outcome("HTTP/1.0 404 No\r\n\r\nuntil the end"), "404 until the end");
  EXPECT_EQ(outcome("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"), "302 ")
      << "nothing is followed";
  EXPECT_EQ(outcome("HTTP/1.1 204 No Content\r\n\r\n"), "204 ");
  EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ncut"), "closed");
  EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" + std::string(101, 'x')), "exhausted");
  EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\n\r\n" + std::string(500, 'x')), "exhausted");
  EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x')), "exhausted");
  EXPECT_EQ(outcome("220 mail.example ESMTP\r\n"), "malformed");
  EXPECT_EQ(outcome(""), "closed");
}

TEST_F(HttpClientTest, SaysWhyItDidNotAsk) {
  EXPECT_EQ(fetch({.url = "https://missing.example/"}).error().code, Errc::NotFound);
  EXPECT_EQ(fetch({.url = "nonsense"}).error().code, Errc::Malformed);
  EXPECT_EQ(fetch({.url = url("http://keys.example"), .fields = {{"X", "a\r\nEvil: 1"}}}).error().code,
            Errc::Malformed);
  EXPECT_EQ(fetch({.method = "GE T", .url = url("http://keys.example")}).error().code, Errc::Malformed);
  options_.allow_clear = false;
  EXPECT_EQ(fetch({.url = url("http://keys.example")}).error().code, Errc::Denied);
}

TEST_F(HttpClientTest, EndsAtTheDeadline) {
  const std::unique_ptr<Listener> silent = *Listener::open(loop_, *Endpoint::parse("127.0.0.1:0"));
  std::vector<Stream> held;
  silent->serve([&held](Stream stream) { held.push_back(std::move(stream)); });
  const Result<HttpResponse> got =
      fetch({.url = "http://127.0.0.1:" + std::to_string(silent->local().port) + "/"},
            std::chrono::steady_clock::now() + std::chrono::milliseconds(50));
  EXPECT_EQ(got.error().code, Errc::Timeout);
}

TEST(SystemAddressLookup, KnowsLocalhost) {
  SystemAddressLookup lookup;
  Loop loop;
  std::vector<IpAddress> ips;
  struct Run {
    static Task<> go(Loop& on, SystemAddressLookup& with, std::vector<IpAddress>& out) {
      Result<std::vector<IpAddress>> found = co_await with.lookup(on, "localhost");
      if (found) out = *found;
      on.stop();
    }
  };
  loop.spawn(Run::go(loop, lookup, ips));
  loop.run();
  ASSERT_FALSE(ips.empty());
  EXPECT_TRUE(ips.front().is_loopback());
}

}  // namespace
}  // namespace postern::net
