#include "base/base64.h"
#include "delivery/client.h"
#include "delivery/testing/fake_mx.h"
#include "net/local_ca.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace postern::delivery {
namespace {

using testing::FakeMx;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Script;

/// Sessions with a next hop that has a certificate for "mx.test" of a CA of its own.
class ClientTlsTest : public ::testing::Test {
 protected:
  ClientTlsTest() {
    std::string name = ::testing::TempDir() + "client_tlsXXXXXX";
    directory_ = ::mkdtemp(name.data());
    const Result<net::LocalCa> ca = net::make_local_ca({"mx.test"}, std::chrono::hours{24});
    EXPECT_TRUE(ca) << ca.error().detail;
    std::ofstream(directory_ + "/ca.pem") << ca->ca_certificate;
    std::ofstream(directory_ + "/cert.pem") << ca->certificate;
    std::ofstream(directory_ + "/key.pem") << ca->key;
    auto server = net::TlsServer::load({{directory_ + "/cert.pem", directory_ + "/key.pem"}});
    EXPECT_TRUE(server) << server.error().detail;
    script_.tls = *server;
    script_.extensions = {"PIPELINING", "STARTTLS"};
  }
  ~ClientTlsTest() override { std::filesystem::remove_all(directory_); }

  Manners manners(TlsPolicy policy, const std::string& ca_file = "") const {
    const auto verify =
        policy == TlsPolicy::Required ? net::TlsClient::Verify::Require : net::TlsClient::Verify::None;
    return {.tls = policy,
            .tls_client = *net::TlsClient::create({.verify = verify, .ca_file = ca_file}),
            .user = "",
            .password = ""};
  }

  /// Opens a session, offers one message if that worked, says QUIT.
  void converse(const Manners& manners, const std::string& host = "mx.test") {
    FakeMx mx(loop_, script_);
    loop_.spawn(run(mx.port(), host, manners));
    loop_.run();
    transcript_ = mx.transcript();
    saw_tls_ = !mx.sessions().empty() && mx.sessions().front()->tls;
  }

  net::Task<> run(std::uint16_t port, std::string host, Manners manners) {
    Target target{host, *net::Endpoint::parse("127.0.0.1:" + std::to_string(port))};
    Client::Opened opened = co_await Client::open(
        loop_, std::move(target), manners, Client::Setting{hostname_, options_, clock_, replies_, egress_});
    opened_ = opened.client != nullptr;
    failure_ = opened.failure;
    tls_broke_ = opened.tls_broke;
    if (opened.client) {
      smtp::Envelope envelope;
      envelope.reverse_path = "a@example.org";
      envelope.recipients.emplace_back().address = "b@example.net";
      const std::vector<std::uint32_t> first{0};
      MemoryContent content("", "Subject: x\r\n\r\ny\r\n");
      const Transaction transaction{.envelope = envelope,
                                    .recipients = first,
                                    .eight_bit = false,
                                    .smtputf8 = false,
                                    .content = content};
      TransactionResult result = co_await opened.client->send(transaction);
      delivered_ = result.outcomes[0] && result.outcomes[0]->decision == Decision::Done;
      co_await opened.client->quit();
    }
    loop_.stop();
  }

  net::Loop loop_;
  SystemClock clock_;
  Options options_;
  std::string hostname_ = "postern.example.org";
  std::vector<ReplyRule> replies_;
  Egress egress_;
  std::string directory_;
  Script script_;
  bool opened_ = false;
  bool tls_broke_ = false;
  bool delivered_ = false;
  bool saw_tls_ = false;
  Outcome failure_;
  std::string transcript_;
};

/// The first certificate of a PEM file in DER.
std::string der_of(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::string text;
  std::getline(in, line);
  while (std::getline(in, line) && !line.starts_with("-----END")) text += line;
  return *base64_decode(text);
}

TEST_F(ClientTlsTest, OpportunisticTakesAnyCertificateAndSaysEhloAgain) {
  converse(manners(TlsPolicy::Opportunistic), "other.name.test");
  EXPECT_TRUE(delivered_) << failure_.text;
  EXPECT_TRUE(saw_tls_);
  EXPECT_THAT(transcript_, HasSubstr("EHLO postern.example.org\nSTARTTLS\nEHLO postern.example.org\nMAIL"));
}

// RFC 3207 §4.2
TEST_F(ClientTlsTest, WhatWasOfferedInTheClearIsForgotten) {
  script_.extensions = {"SIZE 1000", "STARTTLS", "DSN"};
  script_.extensions_in_tls = {"STARTTLS"};
  converse(manners(TlsPolicy::Opportunistic));
  EXPECT_TRUE(delivered_) << failure_.text;
  EXPECT_THAT(transcript_, HasSubstr("MAIL FROM:<a@example.org>\n"));
  EXPECT_THAT(transcript_, Not(HasSubstr("STARTTLS\nEHLO postern.example.org\nSTARTTLS")));
}

// RFC 3207 §6: octets behind the 220 in the clear are not the server's word.
TEST_F(ClientTlsTest, InjectedClearTextIsNeverAnAnswerInsideTls) {
  script_.extensions = {"STARTTLS"};
  script_.extensions_in_tls = {"PIPELINING"};
  script_.rules = {{"STARTTLS", "220 go\r\n250-fake\r\n250 SIZE 7"}};
  converse(manners(TlsPolicy::Opportunistic));
  EXPECT_THAT(transcript_, Not(HasSubstr("SIZE=")));
}

TEST_F(ClientTlsTest, BrokenHandshakeIsReportedForTheFallback) {
  script_.tls = nullptr;
  converse(manners(TlsPolicy::Opportunistic));
  EXPECT_FALSE(opened_);
  EXPECT_TRUE(tls_broke_);
  EXPECT_EQ(failure_.decision, Decision::Retry);
}

TEST_F(ClientTlsTest, RefusedStartTlsMeansClearTextOrWaiting) {
  script_.rules = {{"STARTTLS", "454 4.7.0 not now"}};
  converse(manners(TlsPolicy::Opportunistic));
  EXPECT_TRUE(delivered_);
  EXPECT_FALSE(saw_tls_);
  converse(manners(TlsPolicy::Required));
  EXPECT_FALSE(opened_);
  EXPECT_EQ(failure_.decision, Decision::Retry);
}

TEST_F(ClientTlsTest, RequiredNeedsATrustedCertificateOfTheRightName) {
  converse(manners(TlsPolicy::Required, directory_ + "/ca.pem"));
  EXPECT_TRUE(delivered_) << failure_.text;

  converse(manners(TlsPolicy::Required, directory_ + "/ca.pem"), "other.name.test");
  EXPECT_FALSE(opened_) << "wrong name";
  EXPECT_EQ(failure_.decision, Decision::Retry);

  converse(manners(TlsPolicy::Required));
  EXPECT_FALSE(opened_) << "unknown CA";

  script_.extensions = {"PIPELINING"};
  converse(manners(TlsPolicy::Required, directory_ + "/ca.pem"));
  EXPECT_FALSE(opened_) << "no STARTTLS";
  EXPECT_THAT(transcript_, Not(HasSubstr("MAIL")));
}

TEST_F(ClientTlsTest, AuthenticatesOverVerifiedTls) {
  Manners with_password = manners(TlsPolicy::Required, directory_ + "/ca.pem");
  with_password.user = "user";
  with_password.password = "secret";

  script_.extensions_in_tls = {"AUTH LOGIN PLAIN"};
  script_.rules = {{"AUTH PLAIN", "235 2.7.0 welcome"}};
  converse(with_password);
  EXPECT_TRUE(delivered_) << failure_.text;
  EXPECT_THAT(transcript_,
              HasSubstr("AUTH PLAIN " + base64_encode(std::string_view("\0user\0secret", 12)) + "\n"));

  script_.extensions_in_tls = {"AUTH LOGIN"};
  script_.rules = {{"AUTH LOGIN", "334 VXNlcm5hbWU6"},
                   {base64_encode("user"), "334 UGFzc3dvcmQ6"},
                   {base64_encode("secret"), "235 2.7.0 welcome"}};
  converse(with_password);
  EXPECT_TRUE(delivered_) << failure_.text;
}

TEST_F(ClientTlsTest, WrongPasswordMakesMailWait) {
  Manners with_password = manners(TlsPolicy::Required, directory_ + "/ca.pem");
  with_password.user = "user";
  with_password.password = "wrong";
  script_.extensions_in_tls = {"AUTH PLAIN"};
  script_.rules = {{"AUTH PLAIN", "535 5.7.8 no"}};
  converse(with_password);
  EXPECT_FALSE(opened_);
  EXPECT_EQ(failure_.decision, Decision::Retry) << "the mail is not at fault";
}

TEST_F(ClientTlsTest, PasswordNeverLeavesWithoutVerifiedTls) {
  Manners careless = manners(TlsPolicy::Opportunistic);
  careless.user = "user";
  careless.password = "secret";
  script_.extensions_in_tls = {"AUTH PLAIN"};
  converse(careless);
  EXPECT_FALSE(opened_);
  EXPECT_THAT(transcript_, Not(HasSubstr("AUTH")));
}

/// What a TLSA record of the whole certificate makes of a host that is asked for by `host`.
class ClientDaneTest : public ClientTlsTest {
 protected:
  void converse_by(int usage, const std::string& file, const std::string& host) {
    Manners by_dane;
    by_dane.tls = TlsPolicy::Required;
    by_dane.tls_client = *net::TlsClient::create({.verify = net::TlsClient::Verify::Dane, .ca_file = ""});
    by_dane.tls_peer = net::TlsPeer{host, {}, {{usage, 0, 0, der_of(directory_ + file)}}};
    converse(by_dane, host);
  }
};

TEST_F(ClientDaneTest, AnEndEntityRecordLooksAtNoName) {
  converse_by(3, "/cert.pem", "other.name.test");
  EXPECT_TRUE(saw_tls_) << transcript_;
  EXPECT_THAT(transcript_, HasSubstr("MAIL FROM"));
}

TEST_F(ClientDaneTest, ATrustAnchorRecordNeedsTheName) {
  converse_by(2, "/ca.pem", "mx.test");
  EXPECT_THAT(transcript_, HasSubstr("MAIL FROM"));
  converse_by(2, "/ca.pem", "other.name.test");
  EXPECT_THAT(transcript_, Not(HasSubstr("MAIL FROM")));
}

TEST_F(ClientDaneTest, AnotherCertificateGetsNoMail) {
  converse_by(3, "/ca.pem", "mx.test");
  EXPECT_THAT(transcript_, Not(HasSubstr("MAIL FROM")));
}

TEST_F(ClientDaneTest, WithoutUsableRecordNothingIsTrusted) {
  converse_by(1, "/cert.pem", "mx.test");
  EXPECT_THAT(transcript_, Not(HasSubstr("MAIL FROM")));
}

}  // namespace
}  // namespace postern::delivery
