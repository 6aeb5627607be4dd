#include "oauth/jwt.h"

#include "base/base64.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>

namespace postern::oauth {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kLeeway{60};
constexpr double kLatestTime = 4e10;  // seconds; far beyond every real expiry, far below overflow

Result<json::object> parse_object(std::string_view text, const char* what) {
  json::parse_options options;
  options.max_depth = 8;
  boost::system::error_code error;
  json::value value = json::parse({text.data(), text.size()}, error, {}, options);
  if (error || !value.is_object()) return fail(Errc::Malformed, std::string(what) + " is not a JSON object");
  return std::move(value.as_object());
}

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains({key.data(), key.size()});
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string{};
}

/// NumericDate (RFC 7519 §2): seconds, perhaps with a fraction. Error: it is there and is none.
Result<std::optional<TimePoint>> time_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains({key.data(), key.size()});
  if (value == nullptr) return std::optional<TimePoint>{};
  if (!value->is_number()) return fail(Errc::Malformed, std::string(key) + " is not a number");
  boost::system::error_code error;
  const auto seconds = value->to_number<double>(error);
  if (error || !(seconds >= 0 && seconds < kLatestTime))
    return fail(Errc::Malformed, std::string(key) + " is no time");
  return std::optional<TimePoint>{
      TimePoint{std::chrono::milliseconds{static_cast<std::int64_t>(seconds * 1000)}}};
}

/// A string, or an array of strings.
std::vector<std::string> texts_of(const json::object& object, std::string_view key) {
  std::vector<std::string> out;
  const json::value* value = object.if_contains({key.data(), key.size()});
  if (value == nullptr) return out;
  if (value->is_string()) out.emplace_back(value->as_string());
  if (value->is_array()) {
    for (const json::value& one : value->as_array()) {
      if (one.is_string()) out.emplace_back(one.as_string());
    }
  }
  return out;
}

/// "a b c" (RFC 8693 §4.2) or ["a","b"], under "scope" or "scp".
std::vector<std::string> scopes_of(const json::object& object) {
  std::vector<std::string> out;
  for (const char* key : {"scope", "scp"}) {
    for (const std::string& words : texts_of(object, key)) {
      for (std::size_t at = 0; at < words.size();) {
        const std::size_t end = std::min(words.find(' ', at), words.size());
        if (end > at) out.push_back(words.substr(at, end - at));
        at = end + 1;
      }
    }
  }
  return out;
}

bool contains(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

}  // namespace

std::optional<Algorithm> parse_algorithm(std::string_view name) {
  if (name == "RS256") return Algorithm::RS256;
  if (name == "ES256") return Algorithm::ES256;
  if (name == "EdDSA") return Algorithm::EdDSA;
  return std::nullopt;
}

Result<std::string> base64url_decode(std::string_view text) {
  std::string plain(text);
  for (char& c : plain) {
    if (c == '+' || c == '/' || c == '=') return fail(Errc::Malformed, "not base64url");
    c = c == '-' ? '+' : c == '_' ? '/' : c;
  }
  plain.append((4 - plain.size() % 4) % 4, '=');
  return base64_decode(plain);
}

std::string base64url_encode(std::string_view octets) {
  std::string out = base64_encode(octets);
  while (out.ends_with('=')) out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

Result<Claims> parse_claims(std::string_view text) {
  POSTERN_TRY(const json::object object, parse_object(text, "the claims"));
  Claims claims;
  claims.issuer = text_of(object, "iss");
  claims.audiences = texts_of(object, "aud");
  claims.scopes = scopes_of(object);
  POSTERN_TRY(claims.expires, time_of(object, "exp"));
  POSTERN_TRY(claims.not_before, time_of(object, "nbf"));
  for (const auto& [key, value] : object) {
    if (value.is_string()) claims.texts.emplace(std::string(key), std::string(value.as_string()));
  }
  const json::value* verified = object.if_contains("email_verified");
  claims.email_unverified = verified != nullptr && (!verified->is_bool() || !verified->as_bool()) &&
                            text_of(object, "email_verified") != "true";
  return claims;
}

bool is_jwt_shaped(std::string_view token) {
  return std::count(token.begin(), token.end(), '.') == 2 && token.starts_with("ey");
}

Result<Jwt> parse_jwt(std::string_view token) {
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos)
    return fail(Errc::Malformed, "not three parts");
  POSTERN_TRY(const std::string header_text, base64url_decode(token.substr(0, first)));
  POSTERN_TRY(const std::string claims_text, base64url_decode(token.substr(first + 1, second - first - 1)));
  Jwt jwt;
  POSTERN_TRY(jwt.signature, base64url_decode(token.substr(second + 1)));
  POSTERN_TRY(const json::object header, parse_object(header_text, "the header"));
  const std::optional<Algorithm> algorithm = parse_algorithm(text_of(header, "alg"));
  if (!algorithm) return fail(Errc::Denied, "the token is not signed by RS256, ES256 or EdDSA");
  if (header.contains("crit"))
    return fail(Errc::Denied, "the token has critical extensions");  // RFC 7515 §4.1.11
  jwt.algorithm = *algorithm;
  jwt.key_id = text_of(header, "kid");
  POSTERN_TRY(jwt.claims, parse_claims(claims_text));
  jwt.signed_part = token.substr(0, second);
  return jwt;
}

Result<> check_claims(const Claims& claims, const Rules& rules, TimePoint now) {
  if (!claims.expires) return fail(Errc::Denied, "the token has no expiry");
  if (*claims.expires + kLeeway <= now) return fail(Errc::Denied, "the token has expired");
  if (claims.not_before && *claims.not_before - kLeeway > now)
    return fail(Errc::Denied, "the token is not valid yet");
  if (!rules.issuer.empty() && claims.issuer != rules.issuer)
    return fail(Errc::Denied, "the token is of another issuer");
  const bool for_us = rules.audiences.empty() || std::any_of(rules.audiences.begin(), rules.audiences.end(),
                                                             [&claims](const std::string& one) {
                                                               return contains(claims.audiences, one);
                                                             });
  if (!for_us) return fail(Errc::Denied, "the token is for another audience");
  if (!rules.scope.empty() && !contains(claims.scopes, rules.scope))
    return fail(Errc::Denied, "the token lacks the scope " + rules.scope);
  return {};
}

}  // namespace postern::oauth
