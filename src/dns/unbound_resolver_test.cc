#include "dns/unbound_resolver.h"

#include "dns/testing/fake_dns_server.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace postern::dns {
namespace {

using namespace std::string_literals;
using testing::FakeDnsServer;

class UnboundResolverTest : public ::testing::Test {
 protected:
  void SetUp() override { start(std::chrono::seconds(10)); }
  void start(std::chrono::seconds timeout, const std::string& trust_anchor = "") {
    Options options;
    options.servers = {server_.endpoint().text()};
    options.dnssec = !trust_anchor.empty();
    options.trust_anchor = trust_anchor;
    options.timeout = timeout;
    Result<std::unique_ptr<UnboundResolver>> created = UnboundResolver::create(loop_, options);
    ASSERT_TRUE(created) << created.error().detail;
    resolver_ = *std::move(created);
  }

  Result<MxAnswer> mx(const std::string& domain) {
    Result<MxAnswer> answer;
    loop_.spawn(look_up_mx(domain, answer));
    loop_.run();
    return answer;
  }
  Result<AddressAnswer> addresses(const std::string& host) {
    Result<AddressAnswer> answer;
    loop_.spawn(look_up_addresses(host, answer));
    loop_.run();
    return answer;
  }
  std::string ips(const std::string& host) {
    const Result<AddressAnswer> answer = addresses(host);
    if (!answer) return to_string(answer.error().code);
    std::string text;
    for (const net::IpAddress& ip : answer->ips) text += ip.text() + " ";
    return text;
  }
  net::Task<> look_up_mx(std::string domain, Result<MxAnswer>& out) {
    Result<MxAnswer> answer = co_await resolver_->mx(domain);
    out = std::move(answer);
    loop_.stop();
  }
  net::Task<> look_up_addresses(std::string host, Result<AddressAnswer>& out) {
    Result<AddressAnswer> answer = co_await resolver_->addresses(host);
    out = std::move(answer);
    loop_.stop();
  }

  net::Loop loop_;
  FakeDnsServer server_{loop_};
  std::unique_ptr<UnboundResolver> resolver_;
};

using Rfc5321Section51 = UnboundResolverTest;
using Rfc7505 = UnboundResolverTest;
using Rfc6531Section32 = UnboundResolverTest;
using Rfc4035Section5 = UnboundResolverTest;
using Trouble = UnboundResolverTest;

TEST_F(Rfc5321Section51, MxHostsComeBestFirst) {
  server_.add_mx("a.example", 20, "mx2.a.example");
  server_.add_mx("a.example", 10, "MX1.a.example");
  const Result<MxAnswer> answer = mx("A.example");
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(answer->hosts, (std::vector<MxHost>{{10, "mx1.a.example"}, {20, "mx2.a.example"}}));
  EXPECT_FALSE(answer->null_mx);
  EXPECT_FALSE(answer->secure);
}

TEST_F(Rfc5321Section51, ACnameIsFollowed) {
  server_.add_cname("alias.example", "real.example");
  server_.add_mx("real.example", 5, "mx.real.example");
  const Result<MxAnswer> answer = mx("alias.example");
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(answer->hosts, (std::vector<MxHost>{{5, "mx.real.example"}}));
}

TEST_F(Rfc5321Section51, ADomainWithoutMxIsNotADomainThatDoesNotExist) {
  server_.add_empty("plain.example");
  const Result<MxAnswer> empty = mx("plain.example");
  ASSERT_TRUE(empty) << empty.error().detail;
  EXPECT_TRUE(empty->hosts.empty());
  EXPECT_FALSE(empty->null_mx);
  EXPECT_EQ(mx("missing.example").error().code, Errc::NotFound);
}

TEST_F(Rfc5321Section51, BothKindsOfAddressesAreFound) {
  server_.add("both.example", FakeDnsServer::Type::A, "\xc0\0\x02\x01"s);
  server_.add("both.example", FakeDnsServer::Type::Aaaa, "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\1");
  server_.add("six.example", FakeDnsServer::Type::Aaaa, "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\2");
  server_.add_empty("none.example");
  EXPECT_EQ(ips("both.example"), "192.0.2.1 2001:db8::1 ");
  EXPECT_EQ(ips("six.example"), "2001:db8::2 ");
  EXPECT_EQ(ips("none.example"), "");
  EXPECT_EQ(ips("missing.example"), "not_found");
}

TEST_F(Rfc5321Section51, TheTestDomainIsLeftToConfiguredServers) {
  server_.add_mx("a.test", 10, "mx.a.test");
  const Result<MxAnswer> answer = mx("a.test");
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(answer->hosts.size(), 1U);
}

TEST_F(Rfc7505, NullMx) {
  server_.add_mx("nomail.example", 0, "");
  const Result<MxAnswer> answer = mx("nomail.example");
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_TRUE(answer->null_mx);
  EXPECT_TRUE(answer->hosts.empty());
}

TEST_F(Rfc6531Section32, ULabelsAreAskedForAsALabels) {
  server_.add_mx("xn--mnchen-3ya.example", 10, "mx.example");
  const Result<MxAnswer> answer = mx("münchen.example");
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(answer->hosts.size(), 1U);
  EXPECT_EQ(mx("mün chen.example").error().code, Errc::NotFound);
}

TEST_F(Trouble, AServerFailureIsNoStatementAboutTheName) {
  server_.fail_with("broken.example", FakeDnsServer::kServFail);
  EXPECT_EQ(mx("broken.example").error().code, Errc::Unavailable);
  EXPECT_EQ(ips("broken.example"), "unavailable");
}

TEST_F(Trouble, WhatIsNoDnsNameDoesNotExist) {
  EXPECT_EQ(mx("").error().code, Errc::NotFound);
  EXPECT_EQ(mx("a..example").error().code, Errc::NotFound);
  EXPECT_EQ(mx(std::string(64, 'a') + ".example").error().code, Errc::NotFound);
}

TEST_F(Trouble, ASilentServerEndsByTheTimeout) {
  server_.ignore("silent.example");
  start(std::chrono::seconds(0));
  const Result<MxAnswer> answer = mx("silent.example");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::Unavailable);
}

TEST_F(Trouble, LookUpsMayOutliveTheResolver) {
  server_.ignore("silent.example");
  Result<MxAnswer> never;
  loop_.spawn(look_up_mx("silent.example", never));
  loop_.post([this] {
    loop_.post([this] {
      resolver_.reset();
      loop_.stop();
    });
  });
  loop_.run();
}

TEST_F(Rfc4035Section5, AnUnsignedAnswerBelowATrustAnchorIsNotBelieved) {
  std::string path = (std::filesystem::temp_directory_path() / "postern-anchor-XXXXXX").string();
  ::close(::mkstemp(path.data()));
  std::ofstream(path) << "signed.example. IN DS 12345 13 2 " << std::string(64, 'A') << "\n";
  start(std::chrono::seconds(10), path);
  server_.add_mx("signed.example", 10, "mx.signed.example");
  server_.add_mx("unsigned.example", 10, "mx.unsigned.example");
  EXPECT_EQ(mx("signed.example").error().code, Errc::Unavailable);
  const Result<MxAnswer> outside = mx("unsigned.example");
  ASSERT_TRUE(outside) << outside.error().detail;
  EXPECT_FALSE(outside->secure);
  std::filesystem::remove(path);
}

TEST(DnsOptions, ServersAreAddresses) {
  for (const char* good : {"192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:53", "system"}) {
    Options options;
    options.servers = {good};
    EXPECT_TRUE(options.validate()) << good;
  }
  for (const char* bad : {"", "dns.example", "192.0.2.1@53", "[2001:db8::1]"}) {
    Options options;
    options.servers = {bad};
    const Result<> checked = options.validate();
    ASSERT_FALSE(checked) << bad;
    EXPECT_EQ(checked.error().code, Errc::Malformed);
  }
}

TEST(DnsOptions, ATrustAnchorThatIsAskedForMustBeThere) {
  net::Loop loop;
  Options options;
  options.trust_anchor = "/nonexistent/root.key";
  const auto created = UnboundResolver::create(loop, options);
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().code, Errc::NotFound);
}

}  // namespace
}  // namespace postern::dns
