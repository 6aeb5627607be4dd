#include "net/tls.h"

#include "net/listener.h"
#include "net/local_ca.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace postern::net {
namespace {

SteadyTime soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(5); }

class TlsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "postern-tls-XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  CertificateFiles write(const std::string& stem, const std::string& name) {
    const Result<LocalCa> made = make_local_ca({name}, std::chrono::hours(1));
    EXPECT_TRUE(made);
    put(stem + ".ca", made->ca_certificate);
    put(stem + ".crt", made->certificate);
    put(stem + ".key", made->key);
    return {path(stem + ".crt"), path(stem + ".key")};
  }
  [[nodiscard]] std::string path(const std::string& name) const { return dir_ + "/" + name; }
  void put(const std::string& name, const std::string& text) const { std::ofstream(path(name)) << text; }

  /// Connects with `ca`'s trust and asks for `name`; what the client says of it.
  std::string handshake(const std::shared_ptr<TlsServer>& server, const std::string& ca,
                        const std::string& name, TlsClient::Verify verify = TlsClient::Verify::Require);

  std::string dir_;
};

Task<> greet(Stream stream, std::shared_ptr<TlsServer> tls) {
  const Result<> done = co_await stream.accept_tls(tls, soon());
  if (!done) co_return;
  const Result<> written = co_await stream.write("hello\r\n", soon());
  if (!written) co_return;
  const Result<std::string_view> end = co_await stream.read_line(10, soon());
  EXPECT_FALSE(end);
}

Task<> visit(Loop& loop, Endpoint to, std::shared_ptr<TlsClient> tls, std::string name, std::string& said) {
  Result<Stream> stream = co_await connect(loop, to, std::nullopt, soon());
  EXPECT_TRUE(stream);
  const Result<> done = co_await stream->connect_tls(tls, name, soon());
  if (!done) {
    said = "failed: " + done.error().detail;
  } else {
    const Result<std::string_view> line = co_await stream->read_line(100, soon());
    said = stream->tls_info().version + " " + (line ? std::string(*line) : line.error().detail) + " " +
           stream->tls_info().verify_error;
    EXPECT_FALSE(stream->tls_info().cipher.empty());
  }
  loop.stop();
}

std::string TlsTest::handshake(const std::shared_ptr<TlsServer>& server, const std::string& ca,
                               const std::string& name, TlsClient::Verify verify) {
  Loop loop;
  Result<std::unique_ptr<Listener>> listener = Listener::open(loop, *Endpoint::parse("127.0.0.1:0"));
  EXPECT_TRUE(listener);
  (*listener)->serve([&loop, &server](Stream stream) { loop.spawn(greet(std::move(stream), server)); });
  const Result<std::shared_ptr<TlsClient>> client = TlsClient::create({verify, path(ca)});
  EXPECT_TRUE(client);
  std::string said;
  loop.spawn(visit(loop, (*listener)->local(), *client, name, said));
  loop.run();
  return said;
}

TEST_F(TlsTest, SpeaksTls13WithAVerifiedName) {
  const Result<std::shared_ptr<TlsServer>> server = TlsServer::load({write("a", "a.example")});
  ASSERT_TRUE(server) << server.error().detail;
  EXPECT_EQ(handshake(*server, "a.ca", "a.example"), "TLSv1.3 hello ");
  EXPECT_NE(handshake(*server, "a.ca", "b.example").find("failed"), std::string::npos);
  EXPECT_NE(handshake(*server, "a.ca", "b.example", TlsClient::Verify::None).find("hello"),
            std::string::npos);
}

TEST_F(TlsTest, SniChoosesTheCertificate) {
  const CertificateFiles first = write("a", "a.example");
  const CertificateFiles second = write("b", "*.b.example");
  const Result<std::shared_ptr<TlsServer>> server = TlsServer::load({first, second});
  ASSERT_TRUE(server);
  EXPECT_EQ(handshake(*server, "b.ca", "mail.b.example"), "TLSv1.3 hello ");
  EXPECT_EQ(handshake(*server, "a.ca", "a.example"), "TLSv1.3 hello ");
}

TEST_F(TlsTest, ARenewedCertificateIsPickedUpAndABrokenOneIsNot) {
  const CertificateFiles files = write("a", "a.example");
  const Result<std::shared_ptr<TlsServer>> server = TlsServer::load({files});
  ASSERT_TRUE(server);
  EXPECT_EQ((*server)->reload_if_changed().value(), false);
  put("a.crt", "not a certificate");
  EXPECT_EQ((*server)->reload_if_changed().error().code, Errc::Malformed);
  EXPECT_EQ(handshake(*server, "a.ca", "a.example"), "TLSv1.3 hello ");
  write("a", "new.example");
  EXPECT_EQ((*server)->reload_if_changed().value(), true);
  EXPECT_EQ(handshake(*server, "a.ca", "new.example"), "TLSv1.3 hello ");
}

TEST_F(TlsTest, NamesTheFileThatIsWrong) {
  const CertificateFiles a = write("a", "a.example");
  const CertificateFiles b = write("b", "b.example");
  EXPECT_EQ(TlsServer::load({{path("none.crt"), a.key}}).error().code, Errc::NotFound);
  const auto mismatch = TlsServer::load({{a.certificate, b.key}});
  ASSERT_FALSE(mismatch);
  EXPECT_EQ(mismatch.error().code, Errc::Malformed);
  EXPECT_NE(mismatch.error().detail.find("b.key"), std::string::npos);
}

}  // namespace
}  // namespace postern::net
