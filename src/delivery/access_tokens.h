#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/task.h"

#include <memory>
#include <mutex>
#include <string>

namespace postern::delivery {

/// Access tokens for a smarthost that wants OAuth 2.0 instead of a password: by the client's own right
/// (client credentials, RFC 6749 §4.4) or by a refresh token that its user granted (§6). One is kept until shortly
/// before it expires.
///
/// Threads  safe from any thread; two loops may ask at the same time, which costs a request and nothing else.
/// Errors   Denied: the issuer refuses, in its words. Malformed: an answer without a token. Others: as HttpClient.
class AccessTokens {
 public:
  struct Settings {
    std::string token_url;
    std::string client_id;
    std::string client_secret;  ///< may be empty with a refresh token
    std::string refresh_token;  ///< empty: client credentials
    std::string scope;
    std::string ca_file;
  };
  [[nodiscard]] static Result<std::shared_ptr<AccessTokens>> create(Settings settings, const Clock& clock);

  /// A token that is good for a while.
  [[nodiscard]] net::Task<Result<std::string>> get(net::Loop& loop, SteadyTime deadline);
  /// The service refused the one that get() gave: the next is a new one.
  void forget();

 private:
  AccessTokens(Settings settings, const Clock& clock) : settings_(std::move(settings)), clock_(clock) {}
  [[nodiscard]] std::string form() const;
  [[nodiscard]] Result<std::string> keep(const net::HttpResponse& response);

  const Settings settings_;
  const Clock& clock_;
  net::SystemAddressLookup lookup_;
  std::unique_ptr<net::HttpClient> http_;
  std::mutex mutex_;
  std::string token_;
  TimePoint good_until_{};
};

}  // namespace postern::delivery
