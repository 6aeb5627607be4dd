#include "delivery/options.h"

#include "delivery/provider.h"
#include "delivery/reply_rules.h"

namespace postern::delivery {

Result<> Smarthost::validate() const {
  if (host.empty()) return fail(Errc::Malformed, "a smarthost needs host");
  const bool oauth = !oauth_token_url.empty();
  if (oauth && !password_file.empty())
    return fail(Errc::Malformed, "password_file and oauth_token_url: one of them");
  if (user.empty() != (password_file.empty() && !oauth)) {
    return fail(Errc::Malformed,
                "a smarthost needs both user and password_file (or oauth_token_url), or neither");
  }
  if (oauth != !oauth_client_id.empty())
    return fail(Errc::Malformed, "OAuth needs oauth_token_url and oauth_client_id");
  if (oauth && oauth_client_secret_file.empty() && oauth_refresh_token_file.empty())
    return fail(Errc::Malformed, "OAuth needs oauth_client_secret_file or oauth_refresh_token_file");
  if (!user.empty() && tls != TlsPolicy::Required && tls != TlsPolicy::Dane) {
    return fail(Errc::Malformed, "a smarthost that is logged in to needs tls = \"required\" or \"dane\"");
  }
  return {};
}

Result<> Smarthost::check(std::string_view key) const {
  if (key == "rate") {
    POSTERN_CHECK(parse_rate(rate));
  } else if (key == "replies") {
    POSTERN_CHECK(parse_reply_rules(replies));
  } else if (key == "host" && host.find_first_of(" :/@") != std::string::npos &&
             host.find("::") == std::string::npos) {
    return fail(Errc::Malformed, "must be a name or an address, without port: \"" + host + "\"");
  } else if (key == "oauth_token_url" && !oauth_token_url.empty() &&
             !oauth_token_url.starts_with("https://")) {
    return fail(Errc::Malformed, "must begin with https://: it gets the client's secret");
  }
  return {};
}

Result<> Options::validate() const {
  if (mode == Mode::Smarthost && smarthost.empty()) {
    return fail(Errc::Malformed, "delivery.mode = \"smarthost\" needs delivery.smarthost = \"NAME\"");
  }
  if (mode == Mode::Direct && sign == Signing::None) {
    return fail(
        Errc::Malformed,
        "delivery.sign = \"none\" needs a smarthost that signs: mail never reaches an MX host unsigned");
  }
  if (first_retry > longest_retry) {
    return fail(Errc::Malformed, "delivery.first_retry is longer than delivery.longest_retry");
  }
  return {};
}

}  // namespace postern::delivery
