#include "oauth/token_verifier.h"

#include "net/listener.h"
#include "net/local_ca.h"
#include "oauth/testing/issuer.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>

namespace postern::oauth {
namespace {

using testing::Issuer;

SteadyTime soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(10); }

class Loopback final : public net::AddressLookup {
 public:
  net::Task<Result<std::vector<net::IpAddress>>> lookup(net::Loop& /*loop*/, std::string /*host*/) override {
    co_return std::vector<net::IpAddress>{*net::IpAddress::parse("127.0.0.1")};
  }
};

/// An identity provider: answers by path, 404 elsewhere, and counts.
struct Provider {
  std::shared_ptr<net::TlsServer> tls;
  std::map<std::string, std::string> answers;
  std::map<std::string, int> asked;
  std::string last_request;
};

net::Task<> serve(net::Stream stream, Provider& provider) {
  const Result<> secured = co_await stream.accept_tls(provider.tls, soon());
  if (!secured) co_return;
  std::string request;
  while (request.find("\r\n\r\n") == std::string::npos ||
         (request.starts_with("POST") && request.find("token_type_hint=access_token") == std::string::npos)) {
    const Result<std::string_view> more = co_await stream.read_some(soon());
    if (!more) co_return;
    request += *more;
    stream.consume(more->size());
  }
  const std::size_t start = request.find(' ') + 1;
  const std::string path = request.substr(start, request.find(' ', start) - start);
  ++provider.asked[path];
  provider.last_request = request;
  const auto found = provider.answers.find(path);
  std::string response = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
  if (found != provider.answers.end())
    response = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(found->second.size()) + "\r\n\r\n" +
               found->second;
  const Result<> written = co_await stream.write(response, soon());
  if (written) co_await stream.shutdown(soon());
}

net::Task<> ask(net::Loop& loop, TokenVerifier& verifier, std::string token, Result<std::string>& out) {
  out = co_await verifier.identify(loop, std::move(token));
  loop.stop();
}

class TokenVerifierTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "postern-oauth-XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
    const Result<net::LocalCa> made = net::make_local_ca({"id.example"}, std::chrono::hours(1));
    std::ofstream(dir_ + "/ca") << made->ca_certificate;
    std::ofstream(dir_ + "/crt") << made->certificate;
    std::ofstream(dir_ + "/key") << made->key;
    std::ofstream(dir_ + "/secret") << "s3cret/\n";
    provider_.tls = *net::TlsServer::load({{dir_ + "/crt", dir_ + "/key"}});
    listener_ = *net::Listener::open(loop_, *net::Endpoint::parse("127.0.0.1:0"));
    listener_->serve([this](net::Stream stream) { loop_.spawn(serve(std::move(stream), provider_)); });
    base_ = "https://id.example:" + std::to_string(listener_->local().port);
    options_.issuer = base_;
    options_.audience = {"postern"};
    options_.jwks_url = base_ + "/keys";
    options_.ca_file = dir_ + "/ca";
    provider_.answers["/keys"] = issuer_.key_set();
  }
  void TearDown() override {
    loop_.abandon_tasks();
    std::filesystem::remove_all(dir_);
  }
  void start() {
    Result<std::unique_ptr<TokenVerifier>> made = TokenVerifier::create(options_, clock_, lookup_);
    ASSERT_TRUE(made) << made.error().detail;
    verifier_ = *std::move(made);
  }
  /// The name, or the error's kind and text.
  std::string identify(const std::string& token) {
    if (!verifier_) start();
    Result<std::string> out = fail(Errc::Internal, "did not run");
    loop_.spawn(ask(loop_, *verifier_, token, out));
    loop_.run();
    return out ? *out : std::string(to_string(out.error().code)) + ": " + out.error().detail;
  }
  [[nodiscard]] std::string claims(const std::string& more = "",
                                   const std::string& name = "alice@example.org") const {
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(clock_.now().time_since_epoch()).count();
    return R"({"iss":")" + base_ + R"(","aud":"postern","exp":)" + std::to_string(now + 100) +
           R"(,"email":")" + name + '"' + more + '}';
  }

  std::string dir_;
  std::string base_;
  FakeClock clock_;
  Provider provider_;
  Loopback lookup_;
  Issuer issuer_{Algorithm::ES256, "k1"};
  Options options_;
  net::Loop loop_;
  std::unique_ptr<net::Listener> listener_;
  std::unique_ptr<TokenVerifier> verifier_;
};

TEST_F(TokenVerifierTest, AJwtIsVerifiedByTheIssuersKeysWhichAreFetchedOnce) {
  const std::string token = issuer_.sign(claims());
  EXPECT_EQ(identify(token), "alice@example.org");
  EXPECT_EQ(identify(token), "alice@example.org");
  EXPECT_EQ(identify(issuer_.sign(claims("", "bob@example.org"))), "bob@example.org");
  EXPECT_EQ(provider_.asked["/keys"], 1);
  EXPECT_EQ(identify(Issuer(Algorithm::ES256, "k1").sign(claims())),
            "denied: the token's signature is wrong");
  EXPECT_EQ(identify(issuer_.sign(claims(R"(,"email_verified":false)"))),
            "denied: the issuer has not verified the e-mail address");
  EXPECT_EQ(identify(issuer_.sign(claims(R"(,"nbf":9999999999)"))), "denied: the token is not valid yet");
  EXPECT_EQ(identify("opaque"), "denied: the token is no JWT");
  clock_.advance(std::chrono::seconds{200});
  EXPECT_EQ(identify(token), "denied: the token has expired") << "also when it is remembered";
}

TEST_F(TokenVerifierTest, ANewKeyIsFetchedWhenATokenNamesItButNotForEveryToken) {
  EXPECT_EQ(identify(issuer_.sign(claims())), "alice@example.org");
  const Issuer next(Algorithm::EdDSA, "k2");
  EXPECT_EQ(identify(next.sign(claims())), "denied: no key of the issuer fits the token");
  EXPECT_EQ(provider_.asked["/keys"], 1) << "asked a moment ago";
  provider_.answers["/keys"] = next.key_set();
  clock_.advance(std::chrono::seconds{31});
  EXPECT_EQ(identify(next.sign(claims())), "alice@example.org");
  EXPECT_EQ(provider_.asked["/keys"], 2);
  EXPECT_EQ(identify(issuer_.sign(claims("", "old@example.org"))),
            "denied: no key of the issuer fits the token")
      << "the old one is gone";
}

TEST_F(TokenVerifierTest, KeysOutliveAnIssuerThatIsDownForADay) {
  EXPECT_EQ(identify(issuer_.sign(claims())), "alice@example.org");
  provider_.answers.clear();
  clock_.advance(std::chrono::hours{2});
  EXPECT_EQ(identify(issuer_.sign(claims())), "alice@example.org");
  clock_.advance(std::chrono::hours{23});
  EXPECT_EQ(identify(issuer_.sign(claims())).substr(0, 11), "unavailable");
}

TEST_F(TokenVerifierTest, OnlyPinnedAlgorithms) {
  options_.algorithms = {"RS256"};
  EXPECT_EQ(identify(issuer_.sign(claims())), "denied: the token's algorithm is not among oauth.algorithms");
}

TEST_F(TokenVerifierTest, TheKeysAreFoundByDiscovery) {
  options_.jwks_url.clear();
  provider_.answers["/.well-known/openid-configuration"] =
      R"({"issuer":")" + base_ + R"(","jwks_uri":")" + base_ + "/keys\"}";
  EXPECT_EQ(identify(issuer_.sign(claims())), "alice@example.org");
  EXPECT_EQ(verifier_->discovery_url(), base_ + "/.well-known/openid-configuration");
  verifier_.reset();
  provider_.answers["/.well-known/openid-configuration"] =
      R"({"issuer":"https://evil.example","jwks_uri":")" + base_ + "/keys\"}";
  EXPECT_EQ(identify(issuer_.sign(claims())).substr(0, 11), "unavailable");
}

TEST_F(TokenVerifierTest, OpaqueTokensAreAskedAboutAndRemembered) {
  options_.introspection_url = base_ + "/introspect";
  options_.client_id = "postern";
  options_.client_secret_file = dir_ + "/secret";
  provider_.answers["/introspect"] = R"({"active":true,"aud":"postern","email":"alice@example.org"})";
  EXPECT_EQ(identify("opaque+/="), "alice@example.org");
  EXPECT_NE(provider_.last_request.find("\r\nAuthorization: Basic cG9zdGVybjpzM2NyZXQlMkY=\r\n"),
            std::string::npos);
  EXPECT_NE(provider_.last_request.find("token=opaque%2B%2F%3D&"), std::string::npos);
  EXPECT_EQ(identify("opaque+/="), "alice@example.org");
  EXPECT_EQ(provider_.asked["/introspect"], 1);
  clock_.advance(options_.cache);
  EXPECT_EQ(identify("opaque+/="), "alice@example.org");
  EXPECT_EQ(provider_.asked["/introspect"], 2);
  provider_.answers["/introspect"] = R"({"active":true,"aud":"another","email":"alice@example.org"})";
  EXPECT_EQ(identify("two"), "denied: the token is for another audience");
  for (const char* answer :
       {R"({"active":false})", "{}", "nonsense", R"({"active":"true","aud":"postern","email":"a@b.c"})"}) {
    provider_.answers["/introspect"] = answer;
    EXPECT_EQ(identify("three"), "denied: the issuer calls the token inactive") << answer;
  }
  provider_.answers.clear();
  EXPECT_EQ(identify("four"), "unavailable: introspection answers 404");
}

TEST_F(TokenVerifierTest, OptionsThatCannotWorkAreNamed) {
  const auto refusal = [this] { return TokenVerifier::create(options_, clock_, lookup_).error().detail; };
  options_.audience.clear();
  EXPECT_NE(refusal().find("[oauth] audience is required"), std::string::npos);
  options_.audience = {"postern"};
  options_.algorithms = {"HS256"};
  EXPECT_NE(refusal().find("HS256"), std::string::npos);
  options_.algorithms = {"RS256"};
  options_.jwks_url = "http://id.example/keys";
  EXPECT_NE(refusal().find("must be https://"), std::string::npos);
  options_.jwks_url = base_;
  options_.client_secret_file = dir_ + "/missing";
  EXPECT_NE(refusal().find("oauth.client_secret_file"), std::string::npos);
}

}  // namespace
}  // namespace postern::oauth
