#include "submission/login.h"

#include "base/log.h"
#include "smtp/ascii.h"

namespace postern::submission {

sasl::Environment Logins::environment(const net::Stream& stream) {
  sasl::Environment found;
  if (directory_.offers_scram()) {
    found.find_secrets = [this](std::string_view name) { return directory_.scram_secrets(name); };
    found.binds = true;
    found.find_binding = [&stream] {
      net::TlsBinding binding = stream.tls_binding();
      return sasl::ChannelBinding{std::move(binding.exporter), std::move(binding.server_end_point)};
    };
  }
  if (tokens_ != nullptr) {
    found.tokens = true;
    found.token_scope = tokens_->options().scope;
    found.openid_discovery = tokens_->discovery_url();
  }
  return found;
}

net::Task<Logins::Outcome> Logins::check(net::Loop& loop, sasl::Claim claim, Client client) {
  std::string name = sasl::claimed_name(claim);
  // Who names nobody is known by where it comes from: else all such clients would share one lock-out.
  if (name.empty()) name = "(unnamed) " + client.ip.text();
  if (!lockout_.check(client.ip, name).accepted) {
    write_log("submission.auth_locked", client, name, "locked out");
    co_return Refusal::Locked;
  }
  Result<accounts::Account> account = co_await verify(loop, claim, client.ip);
  if (account) {
    lockout_.succeeded(client.ip, name);
    write_log("submission.auth_ok", client, account->address, "");
    co_return *std::move(account);
  }
  if (account.error().code != Errc::Denied) {
    write_log("submission.auth_unavailable", client, name, account.error().detail);
    co_return Refusal::Unavailable;
  }
  lockout_.failed(client.ip, name);
  write_log("submission.auth_failed", client, name, account.error().detail);
  co_return Refusal::Wrong;
}

net::Task<Result<accounts::Account>> Logins::verify(net::Loop& loop, const sasl::Claim& claim,
                                                    net::IpAddress client) {
  if (const auto* password = std::get_if<sasl::PasswordClaim>(&claim)) {
    Result<accounts::Account> account =
        co_await directory_.authenticate(loop, password->authcid, password->password, client);
    co_return account;
  }
  if (const auto* proof = std::get_if<sasl::ProofClaim>(&claim)) {
    if (!proof->proven) co_return fail(Errc::Denied, "wrong password or unknown account");
    co_return directory_.login_by_scram(proof->authcid, *proof->proven, client);
  }
  if (const auto* token = std::get_if<sasl::TokenClaim>(&claim); token != nullptr && tokens_ != nullptr) {
    Result<accounts::Account> account = co_await verify_token(loop, *token);
    co_return account;
  }
  co_return fail(Errc::Denied, "not offered here");
}

net::Task<Result<accounts::Account>> Logins::verify_token(net::Loop& loop, const sasl::TokenClaim& claim) {
  const Result<std::string> identity = co_await tokens_->identify(loop, claim.token);
  if (!identity) co_return identity.error();
  if (!claim.authzid.empty() && !smtp::iequals(claim.authzid, *identity))
    co_return fail(Errc::Denied, "the token is of " + *identity);
  co_return directory_.login_by_name(*identity);
}

void Logins::write_log(const char* event, const Client& client, const std::string& name,
                       const std::string& why) {
  log::Event line(log::Level::Info, event);
  line.with("session_id", client.session)
      .with("client", client.ip.text())
      .with("account", name)
      .with("tls", client.tls_cipher);
  if (!why.empty()) line.with("why", why);
}

}  // namespace postern::submission
