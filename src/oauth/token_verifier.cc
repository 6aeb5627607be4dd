#include "oauth/token_verifier.h"

#include "base/base64.h"
#include "base/log.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <fstream>

namespace postern::oauth {
namespace {

constexpr std::chrono::hours kKeysAreFresh{1};
constexpr std::chrono::hours kKeysCount{24};
constexpr std::chrono::seconds kBetweenAttempts{30};
constexpr const char* kDiscoveryPath = "/.well-known/openid-configuration";

std::string sha256(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> out{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data());
  return {reinterpret_cast<const char*>(out.data()), out.size()};
}

/// One member of a JSON object: its text, or "" when there is none.
std::string json_text_member(const std::string& text, const char* key) {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(text, error);
  const boost::json::value* found =
      !error && value.is_object() ? value.as_object().if_contains(key) : nullptr;
  return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string{};
}

bool says_active(const std::string& text) {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(text, error);
  const boost::json::value* found =
      !error && value.is_object() ? value.as_object().if_contains("active") : nullptr;
  return found != nullptr && found->is_bool() && found->as_bool();
}

Result<std::string> read_secret(const std::string& path) {
  if (path.empty()) return std::string{};
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line) || line.empty())
    return fail(Errc::NotFound, "oauth.client_secret_file: cannot read a secret from " + path);
  return line;
}

}  // namespace

Result<> Options::validate() const {
  if (!enabled()) return {};
  if (audience.empty())
    return fail(Errc::Malformed,
                "audience is required: a token made for another service must not log in here");
  if (issuer.empty() && introspection_url.empty())
    return fail(Errc::Malformed, "issuer is required with jwks_url");
  for (const std::string& name : algorithms) {
    if (!parse_algorithm(name))
      return fail(Errc::Malformed, "algorithms: " + name + " is none of RS256, ES256, EdDSA");
  }
  for (const std::string& url : {issuer, jwks_url, introspection_url}) {
    if (url.empty()) continue;
    POSTERN_TRY(const net::HttpUrl parsed, net::HttpUrl::parse(url));
    if (!parsed.tls) return fail(Errc::Malformed, url + " must be https://");
  }
  return {};
}

Result<std::unique_ptr<TokenVerifier>> TokenVerifier::create(const Options& options, const Clock& clock,
                                                             net::AddressLookup& lookup) {
  if (const Result<> valid = options.validate(); !valid)
    return fail(Errc::Malformed, "[oauth] " + valid.error().detail);
  POSTERN_TRY(std::string secret, read_secret(options.client_secret_file));
  POSTERN_TRY(std::unique_ptr<net::HttpClient> http,
              net::HttpClient::create({.ca_file = options.ca_file}, lookup));
  return std::unique_ptr<TokenVerifier>(
      new TokenVerifier(options, clock, std::move(http), std::move(secret)));
}

TokenVerifier::TokenVerifier(Options options, const Clock& clock, std::unique_ptr<net::HttpClient> http,
                             std::string secret)
    : options_(std::move(options)), clock_(clock), http_(std::move(http)), secret_(std::move(secret)) {}

std::string TokenVerifier::discovery_url() const {
  std::string issuer = options_.issuer;
  if (issuer.ends_with('/')) issuer.pop_back();
  return issuer.empty() ? issuer : issuer + kDiscoveryPath;
}

net::Task<Result<std::string>> TokenVerifier::identify(net::Loop& loop, std::string token) {
  const std::string digest = sha256(token);
  if (std::string known = remembered(digest); !known.empty()) co_return known;
  const bool by_keys = !options_.issuer.empty() && is_jwt_shaped(token);
  if (!by_keys && options_.introspection_url.empty()) co_return fail(Errc::Denied, "the token is no JWT");
  Result<Claims> claims = fail(Errc::Internal, "");
  if (by_keys) {
    claims = co_await claims_of_jwt(loop, std::move(token));
  } else {
    claims = co_await introspect(loop, std::move(token));
  }
  if (!claims) co_return claims.error();
  Result<std::string> identity = identity_of(*claims, !by_keys);
  if (identity) remember(digest, *identity, claims->expires.value_or(TimePoint::max()));
  co_return identity;
}

std::string TokenVerifier::remembered(const std::string& digest) {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(digest);
  return found != known_.end() && found->second.until > clock_.now() ? found->second.identity : std::string{};
}

void TokenVerifier::remember(const std::string& digest, const std::string& identity, TimePoint expires) {
  const std::lock_guard lock(mutex_);
  if (known_.size() >= kMaxCached) known_.clear();
  known_[digest] = {identity, std::min<TimePoint>(expires, clock_.now() + options_.cache)};
}

Result<std::string> TokenVerifier::identity_of(const Claims& claims, bool introspected) const {
  const auto found = claims.texts.find(options_.identity_claim);
  if (found == claims.texts.end() || found->second.empty())
    return fail(Errc::Denied, "the token has no claim " + options_.identity_claim);
  if (options_.identity_claim == "email" && claims.email_unverified)
    return fail(Errc::Denied, "the issuer has not verified the e-mail address");
  Rules rules{options_.issuer, options_.audience, options_.scope};
  Claims checked = claims;
  if (introspected) {
    // RFC 7662 §2.2: the issuer may leave these out, having said "active" already.
    if (checked.issuer.empty()) checked.issuer = options_.issuer;
    if (!checked.expires) checked.expires = clock_.now() + options_.cache;
  }
  POSTERN_CHECK(check_claims(checked, rules, clock_.now()));
  return found->second;
}

net::Task<Result<Claims>> TokenVerifier::claims_of_jwt(net::Loop& loop, std::string token) {
  Result<Jwt> jwt = parse_jwt(token);
  if (!jwt) co_return fail(Errc::Denied, jwt.error().detail);
  const bool pinned =
      std::any_of(options_.algorithms.begin(), options_.algorithms.end(),
                  [&jwt](const std::string& one) { return parse_algorithm(one) == jwt->algorithm; });
  if (!pinned) co_return fail(Errc::Denied, "the token's algorithm is not among oauth.algorithms");
  Result<std::shared_ptr<const KeySet>> set = co_await keys(loop, false);
  if (!set) co_return set.error();
  Result<> right = (*set)->verify(*jwt);
  if (!right && right.error().code == Errc::NotFound) {  // the issuer may have new keys
    set = co_await keys(loop, true);
    if (!set) co_return set.error();
    right = (*set)->verify(*jwt);
  }
  if (!right) co_return fail(Errc::Denied, right.error().detail);
  co_return std::move(jwt->claims);
}

net::Task<Result<std::shared_ptr<const KeySet>>> TokenVerifier::keys(net::Loop& loop, bool want_newer) {
  const TimePoint now = clock_.now();
  std::shared_ptr<const KeySet> have;
  {
    const std::lock_guard lock(mutex_);
    have = keys_;
    const bool fresh = have != nullptr && now - fetched_ < kKeysAreFresh;
    const bool tried = now - last_attempt_ < kBetweenAttempts;
    if (have != nullptr && ((fresh && !want_newer) || tried)) co_return have;
    last_attempt_ = now;
  }
  Result<KeySet> fetched = co_await fetch_keys(loop);
  const std::lock_guard lock(mutex_);
  if (!fetched) {
    log::Event(log::Level::Warning, "oauth.keys_unavailable").with("why", fetched.error().detail);
    if (keys_ != nullptr && now - fetched_ < kKeysCount) co_return keys_;
    co_return fail(Errc::Unavailable, "the issuer's keys: " + fetched.error().detail);
  }
  keys_ = std::make_shared<const KeySet>(*std::move(fetched));
  fetched_ = now;
  co_return keys_;
}

net::Task<Result<std::string>> TokenVerifier::get(net::Loop& loop, std::string url) {
  net::HttpRequest request{.url = url, .fields = {{"Accept", "application/json"}}};
  Result<net::HttpResponse> response =
      co_await http_->fetch(loop, std::move(request), clock_.steady_now() + options_.timeout);
  if (!response) co_return response.error();
  if (response->status != 200)
    co_return fail(Errc::Unavailable, url + " answers " + std::to_string(response->status));
  co_return std::move(response->body);
}

net::Task<Result<KeySet>> TokenVerifier::fetch_keys(net::Loop& loop) {
  std::string url = options_.jwks_url;
  if (url.empty()) {
    const Result<std::string> discovered = co_await get(loop, discovery_url());
    if (!discovered) co_return discovered.error();
    if (json_text_member(*discovered, "issuer") != options_.issuer)
      co_return fail(Errc::Unavailable, discovery_url() + " is of another issuer");
    url = json_text_member(*discovered, "jwks_uri");
    if (url.empty()) co_return fail(Errc::Unavailable, discovery_url() + " names no jwks_uri");
  }
  const Result<std::string> text = co_await get(loop, url);
  if (!text) co_return text.error();
  Result<KeySet> set = KeySet::parse(*text);
  if (!set) co_return fail(Errc::Unavailable, url + ": " + set.error().detail);
  if (set->size() == 0) co_return fail(Errc::Unavailable, url + ": no key that we can use");
  co_return set;
}

net::Task<Result<Claims>> TokenVerifier::introspect(net::Loop& loop, std::string token) {
  net::HttpRequest request{.method = "POST", .url = options_.introspection_url};
  request.fields = {{"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"}};
  if (!options_.client_id.empty()) {
    // RFC 6749 §2.3.1: both parts are encoded as in a form before they become a user name and a password.
    const std::string user = net::percent_encode(options_.client_id) + ':' + net::percent_encode(secret_);
    request.fields.emplace_back("Authorization", "Basic " + base64_encode(user));
  }
  request.body = "token=" + net::percent_encode(token) + "&token_type_hint=access_token";
  Result<net::HttpResponse> response =
      co_await http_->fetch(loop, std::move(request), clock_.steady_now() + options_.timeout);
  if (!response) co_return fail(Errc::Unavailable, "introspection: " + response.error().detail);
  if (response->status != 200)
    co_return fail(Errc::Unavailable, "introspection answers " + std::to_string(response->status));
  if (!says_active(response->body)) co_return fail(Errc::Denied, "the issuer calls the token inactive");
  Result<Claims> claims = parse_claims(response->body);
  if (!claims) co_return fail(Errc::Unavailable, "introspection: " + claims.error().detail);
  co_return claims;
}

}  // namespace postern::oauth
