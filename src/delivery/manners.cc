#include "delivery/manners.h"

#include "delivery/secret_file.h"

#include <utility>

namespace postern::delivery {
namespace {

Result<std::shared_ptr<AccessTokens>> make_tokens(const Smarthost& smarthost) {
  static const SystemClock clock;
  AccessTokens::Settings settings{.token_url = smarthost.oauth_token_url,
                                  .client_id = smarthost.oauth_client_id,
                                  .client_secret = {},
                                  .refresh_token = {},
                                  .scope = smarthost.oauth_scope,
                                  .ca_file = smarthost.ca_file};
  if (!smarthost.oauth_client_secret_file.empty()) {
    POSTERN_TRY(settings.client_secret, read_secret(smarthost.oauth_client_secret_file));
  }
  if (!smarthost.oauth_refresh_token_file.empty()) {
    POSTERN_TRY(settings.refresh_token, read_secret(smarthost.oauth_refresh_token_file));
  }
  return AccessTokens::create(std::move(settings), clock);
}

}  // namespace

Result<Manners> make_manners(const Options& options, const std::optional<Smarthost>& smarthost,
                             const std::string& mx_ca_file) {
  Manners manners;
  manners.tls = smarthost ? smarthost->tls : options.tls;
  if (manners.tls != TlsPolicy::None) {
    net::TlsClient::Options tls;
    tls.verify = manners.tls == TlsPolicy::Required ? net::TlsClient::Verify::Require
                 : manners.tls == TlsPolicy::Dane   ? net::TlsClient::Verify::Dane
                                                    : net::TlsClient::Verify::None;
    tls.ca_file = smarthost ? smarthost->ca_file : mx_ca_file;
    POSTERN_TRY(manners.tls_client, net::TlsClient::create(tls));
  }
  if (smarthost && !smarthost->user.empty()) {
    manners.user = smarthost->user;
    if (smarthost->oauth_token_url.empty()) {
      POSTERN_TRY(manners.password, read_secret(smarthost->password_file));
    } else {
      POSTERN_TRY(manners.tokens, make_tokens(*smarthost));
    }
  }
  return manners;
}

std::vector<AuthMechanism> usable_mechanisms(const Manners& manners, const Extensions& offered) {
  std::vector<AuthMechanism> out;
  if (manners.user.empty()) return out;
  if (manners.tokens) {
    if (offered.auth_oauth_bearer) out.push_back(AuthMechanism::OauthBearer);
    if (offered.auth_xoauth2) out.push_back(AuthMechanism::Xoauth2);
    return out;
  }
  if (offered.auth_scram) out.push_back(AuthMechanism::ScramSha256);
  if (offered.auth_plain) out.push_back(AuthMechanism::Plain);
  if (offered.auth_login) out.push_back(AuthMechanism::Login);
  return out;
}

}  // namespace postern::delivery
