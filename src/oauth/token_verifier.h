#pragma once

#include "base/clock.h"
#include "base/options.h"
#include "net/http_client.h"
#include "oauth/jwt.h"
#include "oauth/key_set.h"

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace postern::oauth {

/// The table [oauth].
struct Options {
  std::string issuer;
  std::vector<std::string> audience;
  std::string jwks_url;
  std::string introspection_url;
  std::string client_id;
  std::string client_secret_file;
  std::string identity_claim = "email";
  std::string scope;
  std::vector<std::string> algorithms{"RS256", "ES256", "EdDSA"};
  std::string ca_file;
  std::chrono::seconds cache{300};
  std::chrono::seconds timeout{5};

  [[nodiscard]] bool enabled() const {
    return !issuer.empty() || !jwks_url.empty() || !introspection_url.empty();
  }

  /// Options that cannot work, or would let in whom they should not. Error: Malformed.
  [[nodiscard]] Result<> validate() const;

  static auto fields() {
    using std::chrono::seconds;
    return std::tuple{
        field("issuer", &Options::issuer, Reload::Restart,
              "Whose tokens log in with OAUTHBEARER and XOAUTH2: the exact iss, an https:// URL. Empty: "
              "nobody's."),
        field("audience", &Options::audience, Reload::Restart,
              "A token's aud must be one of these; required, so that a token for another service is of no "
              "use here."),
        field("jwks_url", &Options::jwks_url, Reload::Restart,
              "Where the issuer's keys are. Empty: as its /.well-known/openid-configuration says."),
        field("introspection_url", &Options::introspection_url, Reload::Restart,
              "RFC 7662: where tokens that are no JWT are asked about."),
        field("client_id", &Options::client_id, Reload::Restart, "As whom we ask there."),
        field("client_secret_file", &Options::client_secret_file, Reload::Restart,
              "File with the secret for that."),
        field("identity_claim", &Options::identity_claim, Reload::Restart,
              "The claim that holds the account's address. An e-mail that the issuer calls unverified does "
              "not count."),
        field("scope", &Options::scope, Reload::Restart, "A scope that the token must have. Empty: none."),
        field("algorithms", &Options::algorithms, Reload::Restart,
              "Signatures that count: RS256, ES256, EdDSA."),
        field("ca_file", &Options::ca_file, Reload::Restart,
              "PEM file of the authority behind these servers. Empty: the system's."),
        field("cache", &Options::cache, seconds{0}, seconds{3600}, Reload::Restart,
              "How long a token that was good is not asked about again."),
        field("timeout", &Options::timeout, seconds{1}, seconds{60}, Reload::Restart,
              "Wait for one of these servers."),
    };
  }
};

/// Decides whom a bearer token belongs to: a JWT by the issuer's keys, any other token by asking the issuer.
///
/// The keys are fetched when they are needed, again after an hour, and when a token names one that we do not have (at
/// most every half minute). While the issuer cannot be reached, keys count for a day.
/// Threads  safe from any loop.
/// Limits   kMaxCached tokens remembered, as hashes; when full it starts afresh.
class TokenVerifier {
 public:
  static constexpr std::size_t kMaxCached = 10'000;
  /// `lookup` is borrowed. Errors: Malformed, NotFound: an option that cannot work, naming it.
  [[nodiscard]] static Result<std::unique_ptr<TokenVerifier>> create(const Options& options,
                                                                     const Clock& clock,
                                                                     net::AddressLookup& lookup);

  /// The value of the identity claim. Errors: Denied, with the reason for the log; Unavailable: it cannot be told now.
  net::Task<Result<std::string>> identify(net::Loop& loop, std::string token);
  [[nodiscard]] const Options& options() const { return options_; }
  /// For clients whose token was refused (RFC 7628 §3.2.2); "" without an issuer.
  [[nodiscard]] std::string discovery_url() const;

 private:
  struct Known {
    std::string identity;
    TimePoint until;
  };
  TokenVerifier(Options options, const Clock& clock, std::unique_ptr<net::HttpClient> http,
                std::string secret);
  [[nodiscard]] std::string remembered(const std::string& digest);
  void remember(const std::string& digest, const std::string& identity, TimePoint expires);
  net::Task<Result<Claims>> claims_of_jwt(net::Loop& loop, std::string token);
  net::Task<Result<Claims>> introspect(net::Loop& loop, std::string token);
  net::Task<Result<std::shared_ptr<const KeySet>>> keys(net::Loop& loop, bool want_newer);
  net::Task<Result<KeySet>> fetch_keys(net::Loop& loop);
  net::Task<Result<std::string>> get(net::Loop& loop, std::string url);
  [[nodiscard]] Result<std::string> identity_of(const Claims& claims, bool introspected) const;

  const Options options_;
  const Clock& clock_;
  const std::unique_ptr<net::HttpClient> http_;
  const std::string secret_;
  std::mutex mutex_;
  std::shared_ptr<const KeySet> keys_;
  TimePoint fetched_{};
  TimePoint last_attempt_{};
  std::unordered_map<std::string, Known> known_;
};

}  // namespace postern::oauth
