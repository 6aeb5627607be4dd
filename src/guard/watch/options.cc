#include "guard/watch/options.h"

#include "guard/watch/account_state.h"
#include "net/http_client.h"
#include "smtp/address_grammar.h"

#include <algorithm>
#include <array>

namespace postern::guard {
namespace {

Result<> check_exemption(const std::string& entry) {
  if (entry.find('@') != std::string::npos) {
    const Result<smtp::Mailbox> address = smtp::parse_mailbox(entry);
    if (address && !address->domain.empty()) return {};
    return fail(Errc::Malformed, "holds \"" + entry + "\", which is not an address");
  }
  if (parse_sender_class(entry)) return {};
  return fail(Errc::Malformed, "holds \"" + entry + "\", which is neither an address nor person, app, bulk");
}

Result<> check_webhook(const std::string& text) {
  const Result<net::HttpUrl> url = net::HttpUrl::parse(text);
  if (!url) return fail(Errc::Malformed, "is no address to call: " + url.error().detail);
  const Result<net::IpAddress> ip = net::IpAddress::parse(url->host);
  const bool here = url->host == "localhost" || (ip && ip->is_loopback());
  if (!url->tls && !here) return fail(Errc::Malformed, "must be https:// (http:// only to this machine)");
  return {};
}

}  // namespace

Result<> WatchOptions::check(std::string_view key) const {
  if (key == "never_hold") {
    for (const std::string& entry : never_hold) POSTERN_CHECK(check_exemption(entry));
  }
  if (key == "notify" && !notify.empty()) {
    const Result<smtp::Mailbox> address = smtp::parse_mailbox(notify);
    if (!address || address->domain.empty())
      return fail(Errc::Malformed, "must be an address such as \"postmaster@example.org\"");
  }
  if (key == "webhook" && !webhook.empty()) return check_webhook(webhook);
  return {};
}

Result<> WatchOptions::validate() const {
  if (!webhook.empty() && webhook_secret_file.empty())
    return fail(Errc::Malformed, "webhook needs webhook_secret_file: unsigned, anybody could call it");
  if (webhook.empty() && !webhook_secret_file.empty())
    return fail(Errc::Malformed, "webhook_secret_file without webhook: nobody is called");
  return {};
}

}  // namespace postern::guard
