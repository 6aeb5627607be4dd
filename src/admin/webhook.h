#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/task.h"

#include <string>
#include <string_view>

namespace postern::admin {

/// The value of webhook-signature: "v1," and the base64 of HMAC-SHA256 over "ID.TIMESTAMP.BODY", as Standard Webhooks
/// (standardwebhooks.com) has it. `timestamp`: seconds since 1970.
[[nodiscard]] std::string webhook_signature(std::string_view key, std::string_view id, std::int64_t timestamp,
                                            std::string_view body);

/// The key in a secret file's text: "whsec_" and base64, or the text itself without white space around it.
/// Error: Malformed: shorter than 16 octets, or broken base64.
[[nodiscard]] Result<std::string> webhook_key(std::string_view text);

/// Tells an operator's own program of events, by POST with a signature.
///
/// Threads  call() from any loop.
/// Limits   one attempt, of kPatience. Who has to be told in any case keeps the call and repeats it (app/hook_calls.h).
class Webhook {
 public:
  static constexpr std::chrono::seconds kPatience{10};

  /// Errors: NotFound: the secret file cannot be read. Malformed: the key, the URL, or http:// to another machine.
  [[nodiscard]] static Result<std::unique_ptr<Webhook>> create(const std::string& url,
                                                               const std::string& secret_file,
                                                               const Clock& clock,
                                                               net::AddressLookup& lookup);

  /// `id` is the event's own: whoever gets it twice can tell. `body` is JSON.
  /// Errors: those of the connection; Unavailable: an answer other than 2xx.
  net::Task<Result<>> call(net::Loop& loop, std::string id, std::string body) const;

 private:
  Webhook(std::string url, std::string key, const Clock& clock, std::unique_ptr<net::HttpClient> http)
      : url_(std::move(url)), key_(std::move(key)), clock_(clock), http_(std::move(http)) {}
  const std::string url_;
  const std::string key_;
  const Clock& clock_;
  const std::unique_ptr<net::HttpClient> http_;
};

}  // namespace postern::admin
