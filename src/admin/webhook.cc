#include "admin/webhook.h"

#include "base/base64.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>

namespace postern::admin {
namespace {

constexpr std::size_t kLeastKey = 16;

bool this_machine(const std::string& host) {
  if (host == "localhost") return true;
  const Result<net::IpAddress> ip = net::IpAddress::parse(host);
  return ip && ip->is_loopback();
}

}  // namespace

std::string webhook_signature(std::string_view key, std::string_view id, std::int64_t timestamp,
                              std::string_view body) {
  const std::string signed_text = std::string(id) + '.' + std::to_string(timestamp) + '.' + std::string(body);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(signed_text.data()), signed_text.size(), digest.data(), &size);
  return "v1," + base64_encode({reinterpret_cast<const char*>(digest.data()), size});
}

Result<std::string> webhook_key(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  constexpr std::string_view kPrefix = "whsec_";
  const std::size_t begin = std::min(text.find_first_not_of(kSpace), text.size());
  text = text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
  std::string key(text);
  if (text.starts_with(kPrefix)) {
    POSTERN_TRY(key, base64_decode(text.substr(kPrefix.size())));
  }
  if (key.size() < kLeastKey) return fail(Errc::Malformed, "the key is shorter than 16 octets");
  return key;
}

Result<std::unique_ptr<Webhook>> Webhook::create(const std::string& url, const std::string& secret_file,
                                                 const Clock& clock, net::AddressLookup& lookup) {
  const Result<net::HttpUrl> parsed = net::HttpUrl::parse(url);
  if (!parsed) return fail(Errc::Malformed, "watch.webhook: " + parsed.error().detail);
  if (!parsed->tls && !this_machine(parsed->host))
    return fail(Errc::Malformed,
                "watch.webhook: " + url + " must be https:// (http:// only to this machine)");
  if (secret_file.empty())
    return fail(Errc::Malformed,
                "watch.webhook needs watch.webhook_secret_file: unsigned, anybody could call it");
  std::ifstream file(secret_file);
  if (!file) return fail(Errc::NotFound, "watch.webhook_secret_file: cannot read " + secret_file);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  Result<std::string> key = webhook_key(text);
  if (!key)
    return fail(Errc::Malformed, "watch.webhook_secret_file: " + secret_file + ": " + key.error().detail);
  net::HttpClient::Options options;
  options.allow_clear = !parsed->tls;
  POSTERN_TRY(auto http, net::HttpClient::create(std::move(options), lookup));
  return std::unique_ptr<Webhook>(new Webhook(url, *std::move(key), clock, std::move(http)));
}

net::Task<Result<>> Webhook::call(net::Loop& loop, std::string id, std::string body) const {
  const std::int64_t now =
      std::chrono::duration_cast<std::chrono::seconds>(clock_.now().time_since_epoch()).count();
  net::HttpRequest request;
  request.method = "POST";
  request.url = url_;
  request.fields = {{"Content-Type", "application/json"},
                    {"webhook-id", id},
                    {"webhook-timestamp", std::to_string(now)},
                    {"webhook-signature", webhook_signature(key_, id, now, body)}};
  request.body = std::move(body);
  const Result<net::HttpResponse> answer =
      co_await http_->fetch(loop, std::move(request), clock_.steady_now() + kPatience);
  if (!answer) co_return answer.error();
  if (answer->status / 100 != 2)
    co_return fail(Errc::Unavailable, "HTTP status " + std::to_string(answer->status));
  co_return Result<>{};
}

}  // namespace postern::admin
