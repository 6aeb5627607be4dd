#include "delivery/access_tokens.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <utility>

namespace postern::delivery {
namespace {

/// So long before it expires a token is renewed: a session may take a while to come to AUTH.
constexpr std::chrono::seconds kMargin{60};
constexpr std::chrono::seconds kDefaultLife{300};  // RFC 6749 §5.1 lets expires_in be absent

std::string text_of(const boost::json::object& object, const char* name) {
  const boost::json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

std::chrono::seconds life_of(const boost::json::object& object) {
  constexpr std::int64_t kLongest = 86'400;
  const boost::json::value* value = object.if_contains("expires_in");
  if (value == nullptr || !value->is_int64()) return kDefaultLife;
  return std::chrono::seconds{std::clamp<std::int64_t>(value->as_int64(), 0, kLongest)};
}

}  // namespace

Result<std::shared_ptr<AccessTokens>> AccessTokens::create(Settings settings, const Clock& clock) {
  net::HttpClient::Options options;
  options.ca_file = settings.ca_file;
  std::shared_ptr<AccessTokens> made(new AccessTokens(std::move(settings), clock));
  POSTERN_TRY(made->http_, net::HttpClient::create(options, made->lookup_));
  return made;
}

std::string AccessTokens::form() const {
  std::string out = settings_.refresh_token.empty() ? "grant_type=client_credentials"
                                                    : "grant_type=refresh_token&refresh_token=" +
                                                          net::percent_encode(settings_.refresh_token);
  out += "&client_id=" + net::percent_encode(settings_.client_id);
  if (!settings_.client_secret.empty())
    out += "&client_secret=" + net::percent_encode(settings_.client_secret);
  if (!settings_.scope.empty()) out += "&scope=" + net::percent_encode(settings_.scope);
  return out;
}

net::Task<Result<std::string>> AccessTokens::get(net::Loop& loop, SteadyTime deadline) {
  {
    const std::lock_guard lock(mutex_);
    if (!token_.empty() && clock_.now() + kMargin < good_until_) co_return token_;
  }
  net::HttpRequest request;
  request.method = "POST";
  request.url = settings_.token_url;
  request.fields = {{"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"}};
  request.body = form();
  POSTERN_CO_TRY(const net::HttpResponse response, co_await http_->fetch(loop, std::move(request), deadline));
  co_return keep(response);
}

Result<std::string> AccessTokens::keep(const net::HttpResponse& response) {
  boost::system::error_code error;
  const boost::json::value parsed = boost::json::parse(response.body, error);
  const boost::json::object* const object = error ? nullptr : parsed.if_object();
  if (response.status != 200) {
    // RFC 6749 §5.2: "error" is a word, "error_description" a sentence; neither holds a secret.
    const std::string why =
        object == nullptr ? "" : text_of(*object, "error") + " " + text_of(*object, "error_description");
    return fail(Errc::Denied,
                "token request: HTTP " + std::to_string(response.status) + " " + why.substr(0, 300));
  }
  const std::string token = object == nullptr ? "" : text_of(*object, "access_token");
  if (token.empty()) return fail(Errc::Malformed, "token request: an answer without access_token");
  const std::lock_guard lock(mutex_);
  token_ = token;
  good_until_ = clock_.now() + life_of(*object);
  return token;
}

void AccessTokens::forget() {
  const std::lock_guard lock(mutex_);
  token_.clear();
}

}  // namespace postern::delivery
