#include "submission/login.h"

#include "base/log.h"
#include "smtp/ascii.h"

#include <array>

namespace postern::submission {

sasl::Environment Logins::environment(const net::Stream& stream) {
  sasl::Environment found;
  if (directory_.offers_scram()) {
    found.find_secrets = [this](std::string_view name) { return directory_.scram_secrets(name); };
    // RFC 7677 §4: with TLS 1.2 only under the extended master secret, which the exporter needs.
    found.binds = directory_.offers_scram_plus() &&
                  (stream.tls_info().version == "TLSv1.3" || !stream.tls_binding().exporter.empty());
    found.find_binding = [&stream] {
      net::TlsBinding binding = stream.tls_binding();
      return sasl::ChannelBinding{std::move(binding.exporter), std::move(binding.server_end_point)};
    };
  }
  found.certificate = !stream.certified_addresses().empty();
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
  Result<accounts::Account> account = co_await verify(loop, claim, client);
  if (account && directory_.needs_app_password(*account)) {
    write_log("submission.auth_failed", client, name, "right, but only app passwords log in here");
    co_return Refusal::NeedsAppPassword;
  }
  if (account) {
    lockout_.succeeded(client.ip, name);
    if (watch_ != nullptr) watch_->login_succeeded(client.ip, name, account->address);
    log_success(client, claim, *account);
    co_return *std::move(account);
  }
  if (account.error().code != Errc::Denied) {
    write_log("submission.auth_unavailable", client, name, account.error().detail);
    co_return Refusal::Unavailable;
  }
  const std::chrono::milliseconds delay = lockout_.failed(client.ip, name);
  if (watch_ != nullptr) watch_->login_failed(client.ip, name);
  write_log("submission.auth_failed", client, name, account.error().detail);
  if (delay.count() > 0) co_await loop.sleep_until(clock_.steady_now() + delay);
  co_return Refusal::Wrong;
}

void Logins::log_success(const Client& client, const sasl::Claim& claim, const accounts::Account& account) {
  static constexpr std::array kWays{"password", "scram", "token", "certificate"};  // as in sasl::Claim
  log::Event line(log::Level::Info, "submission.auth_ok");
  line.with("session_id", client.session)
      .with("client", client.ip.text())
      .with("account", account.address)
      .with("by", kWays.at(claim.index()))
      .with("tls", client.tls_cipher);
  if (account.app_password == 0) return;
  const Result<std::vector<accounts::AppPassword>> all = directory_.app_passwords(account.address);
  if (!all) return;
  for (const accounts::AppPassword& one : *all) {
    if (one.id == account.app_password) line.with("app_password", one.name);
  }
}

net::Task<Result<accounts::Account>> Logins::verify(net::Loop& loop, const sasl::Claim& claim,
                                                    const Client& client) {
  if (const auto* password = std::get_if<sasl::PasswordClaim>(&claim)) {
    Result<accounts::Account> account =
        co_await directory_.authenticate(loop, password->authcid, password->password, client.ip);
    co_return account;
  }
  if (const auto* proof = std::get_if<sasl::ProofClaim>(&claim)) {
    if (!proof->proven) co_return fail(Errc::Denied, "wrong password or unknown account");
    co_return directory_.login_by_scram(proof->authcid, *proof->proven, client.ip);
  }
  if (const auto* token = std::get_if<sasl::TokenClaim>(&claim); token != nullptr && tokens_ != nullptr) {
    Result<accounts::Account> account = co_await verify_token(loop, *token);
    co_return account;
  }
  if (const auto* certificate = std::get_if<sasl::CertificateClaim>(&claim))
    co_return verify_certificate(*certificate, client.certified);
  co_return fail(Errc::Denied, "not offered here");
}

net::Task<Result<accounts::Account>> Logins::verify_token(net::Loop& loop, const sasl::TokenClaim& claim) {
  const Result<std::string> identity = co_await tokens_->identify(loop, claim.token);
  if (!identity) co_return identity.error();
  if (!claim.authzid.empty() && !smtp::iequals(claim.authzid, *identity))
    co_return fail(Errc::Denied, "the token is of " + *identity);
  co_return directory_.login_by_name(*identity);
}

Result<accounts::Account> Logins::verify_certificate(const sasl::CertificateClaim& claim,
                                                     const std::vector<std::string>& certified) {
  Error last = fail(Errc::Denied, "no certificate");
  for (const std::string& address : certified) {
    if (!claim.authzid.empty() && !smtp::iequals(claim.authzid, address)) continue;
    Result<accounts::Account> account = directory_.login_by_name(address);
    if (account) return account;
    last = account.error();
  }
  return last;
}

void Logins::write_log(const char* event, const Client& client, const std::string& name,
                       const std::string& why) {
  if (!log_budget_.take(client.ip)) return;
  log::Event line(log::Level::Info, event);
  line.with("session_id", client.session)
      .with("client", client.ip.text())
      .with("account", name)
      .with("tls", client.tls_cipher);
  if (!why.empty()) line.with("why", why);
}

}  // namespace postern::submission
