// What a client that is not ours may and may not get from TlsServer: a plain OpenSSL client on a thread of
// its own.
#include "net/listener.h"
#include "net/local_ca.h"
#include "net/tls.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

namespace postern::net {
namespace {

SteadyTime soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(5); }

/// Accepts one connection: first what comes in clear, up to "GO", then TLS and one line.
Task<> serve_one(Loop& loop, Stream stream, std::shared_ptr<TlsServer> tls, std::string& outcome) {
  const Result<std::string_view> go = co_await stream.read_line(100, soon());
  EXPECT_TRUE(go && *go == "GO");
  const Result<> ready = co_await stream.write("220 go ahead\r\n", soon());
  EXPECT_TRUE(ready);
  const Result<> done = co_await stream.accept_tls(tls, soon());
  if (!done) {
    outcome = "refused";
    loop.stop();
    co_return;
  }
  const TlsInfo info = stream.tls_info();
  const Result<std::string_view> line = co_await stream.read_line(100, soon());
  outcome =
      info.version + " " + info.cipher + " " + (line ? std::string(*line) : to_string(line.error().code));
  stream.queue("bye\r\n");
  co_await stream.shutdown(soon());
  loop.stop();
}

class TlsPolicyTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "postern-policy-XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
    renew();
    Result<std::shared_ptr<TlsServer>> loaded = TlsServer::load({files_});
    ASSERT_TRUE(loaded) << loaded.error().detail;
    server_ = *loaded;
    client_.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_security_level(client_.get(), 0);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  void renew() {
    const Result<LocalCa> made = make_local_ca({"mail.example"}, std::chrono::hours(1));
    ASSERT_TRUE(made);
    std::ofstream(files_.certificate = dir_ + "/crt") << made->certificate;
    std::ofstream(files_.key = dir_ + "/key") << made->key;
  }

  /// One connection that sends `in_clear`, then does the handshake. What the server made of it.
  std::string visit(const std::string& in_clear = "GO\r\n") {
    Loop loop;
    Result<std::unique_ptr<Listener>> listener = Listener::open(loop, *Endpoint::parse("127.0.0.1:0"));
    EXPECT_TRUE(listener);
    std::string outcome;
    (*listener)->serve(
        [&](Stream stream) { loop.spawn(serve_one(loop, std::move(stream), server_, outcome)); });
    const Endpoint to = (*listener)->local();
    std::thread thread([&] { talk(to, in_clear); });
    loop.run();
    thread.join();
    return outcome;
  }

  void talk(const Endpoint& to, const std::string& in_clear) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_storage address{};
    const socklen_t length = to.to_sockaddr(address);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::send(fd, in_clear.data(), in_clear.size(), 0), static_cast<ssize_t>(in_clear.size()));
    std::array<char, 100> reply{};
    EXPECT_GT(::recv(fd, reply.data(), reply.size(), 0), 0);
    SSL* const ssl = SSL_new(client_.get());
    SSL_set_fd(ssl, fd);
    if (session_) SSL_set_session(ssl, session_.get());
    if (SSL_connect(ssl) == 1) {
      resumed_ = SSL_session_reused(ssl) == 1;
      if (renegotiate_) renegotiated_ = SSL_renegotiate(ssl) == 1 && SSL_do_handshake(ssl) == 1;
      SSL_write(ssl, "secret\r\n", 8);
      SSL_read(ssl, reply.data(), reply.size());  // brings the session ticket as well
      session_.reset(SSL_get1_session(ssl));
      SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    ::close(fd);
  }

  void only(int version) {
    SSL_CTX_set_min_proto_version(client_.get(), version);
    SSL_CTX_set_max_proto_version(client_.get(), version);
  }

  struct Free {
    void operator()(SSL_CTX* ctx) const { SSL_CTX_free(ctx); }
    void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  std::string dir_;
  CertificateFiles files_;
  std::shared_ptr<TlsServer> server_;
  std::unique_ptr<SSL_CTX, Free> client_;
  std::unique_ptr<SSL_SESSION, Free> session_;
  bool renegotiate_ = false;
  bool renegotiated_ = false;
  bool resumed_ = false;
};

using Rfc9325Section31 = TlsPolicyTest;
using Rfc9325Section42 = TlsPolicyTest;
using Rfc9325Section45 = TlsPolicyTest;
using Rfc3207Section42 = TlsPolicyTest;
using Rfc8446Section222 = TlsPolicyTest;

TEST_F(Rfc9325Section31, OldVersionsAreRefused) {
  only(TLS1_VERSION);
  EXPECT_EQ(visit(), "refused");
  only(TLS1_1_VERSION);
  EXPECT_EQ(visit(), "refused");
}

TEST_F(Rfc9325Section31, Tls12IsSpokenWithForwardSecrecyAndAead) {
  only(TLS1_2_VERSION);
  EXPECT_EQ(visit(), "TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 secret");
}

TEST_F(Rfc9325Section42, OldCipherSuitesAreRefused) {
  only(TLS1_2_VERSION);
  for (const char* suites : {"ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "aNULL"}) {
    ASSERT_EQ(SSL_CTX_set_cipher_list(client_.get(), suites), 1) << suites;
    EXPECT_EQ(visit(), "refused") << suites;
  }
}

TEST_F(Rfc9325Section42, RenegotiationIsRefused) {
  only(TLS1_2_VERSION);
  renegotiate_ = true;
  visit();
  EXPECT_FALSE(renegotiated_);
}

TEST_F(Rfc9325Section45, ShortRsaKeysAndEncryptedOnesAreRefused) {
  const std::unique_ptr<EVP_PKEY, Free> short_key(EVP_RSA_gen(1024));
  const std::unique_ptr<EVP_PKEY, Free> good_key(EVP_RSA_gen(2048));
  const auto load = [this](EVP_PKEY* key, const char* password) {
    X509* const certificate = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha256());
    FILE* file = std::fopen(files_.certificate.c_str(), "w");
    PEM_write_X509(file, certificate);
    std::fclose(file);
    X509_free(certificate);
    file = std::fopen(files_.key.c_str(), "w");
    PEM_write_PKCS8PrivateKey(file, key, password == nullptr ? nullptr : EVP_aes_256_cbc(), password,
                              password == nullptr ? 0 : static_cast<int>(std::string(password).size()),
                              nullptr, nullptr);
    std::fclose(file);
    const auto loaded = TlsServer::load({files_});
    return loaded ? "loaded" : std::string(to_string(loaded.error().code));
  };
  EXPECT_EQ(load(good_key.get(), nullptr), "loaded");
  EXPECT_EQ(load(short_key.get(), nullptr), "malformed");
  EXPECT_EQ(load(good_key.get(), "password"), "malformed") << "and nobody is asked on the terminal";
}

TEST_F(Rfc3207Section42, CommandsInjectedBeforeTheHandshakeAreDropped) {
  EXPECT_EQ(visit("GO\r\nINJECTED\r\n").find("INJECTED"), std::string::npos);
}

TEST_F(Rfc8446Section222, SessionsResumeAlsoAfterTheCertificateWasRenewed) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    only(version);
    session_.reset();
    visit();
    EXPECT_FALSE(resumed_);
    visit();
    EXPECT_TRUE(resumed_) << SSL_SESSION_get_protocol_version(session_.get());
    renew();
    EXPECT_TRUE(server_->reload_if_changed().value());
    visit();
    EXPECT_TRUE(resumed_);
  }
}

}  // namespace
}  // namespace postern::net
