#include "app/logins.h"

namespace postern::app {

Result<> build_logins(Parts& parts) {
  const config::Config& config = parts.config;
  if (config.accounts.backend == accounts::BackendKind::Dovecot)
    parts.directory->set_backend(std::make_unique<accounts::DovecotBackend>(config.dovecot, parts.clock));
  if (config.accounts.backend == accounts::BackendKind::Ldap) {
    POSTERN_TRY(auto ldap, accounts::LdapBackend::create(config.ldap));
    parts.directory->set_backend(std::move(ldap));
  }
  if (config.oauth.enabled()) {
    POSTERN_TRY(parts.tokens, oauth::TokenVerifier::create(config.oauth, parts.clock, parts.lookup));
  }
  parts.logins.emplace(*parts.directory, *parts.lockout, parts.log_budget, parts.tokens.get(), parts.clock,
                       parts.watch.get());
  return {};
}

}  // namespace postern::app
