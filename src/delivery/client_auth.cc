// AUTH towards a smarthost (RFC 4954): the strongest mechanism that both sides have. See client_session.cc.
#include "base/base64.h"
#include "base/log.h"
#include "delivery/client.h"
#include "sasl/scram_client.h"

#include <utility>

namespace postern::delivery {
namespace {

bool positive(const smtp::Reply& reply) { return reply.code / 100 == 2; }
bool goes_on(const Result<smtp::Reply>& reply) { return reply && reply->code == 334; }

/// What a 334 or a 235 carries.
std::string challenge_of(const smtp::Reply& reply) {
  return base64_decode(reply.lines.empty() ? std::string_view() : std::string_view(reply.lines[0]))
      .value_or("");
}

}  // namespace

net::Task<std::optional<Outcome>> Client::authenticate(const Manners& manners) {
  if (!stream_.is_tls() || !stream_.tls_info().verify_error.empty()) {
    co_return local_outcome(Decision::Retry, "4.7.10",
                            target_.host + ": no verified TLS, so no password is sent");
  }
  Result<smtp::Reply> reply;
  bool tried = false;
  // RFC 4954 §6: 534 says that this mechanism is too weak, and 504 that it is not known after all.
  for (const AuthMechanism mechanism : usable_mechanisms(manners, extensions_)) {
    reply = co_await authenticate_with(mechanism, manners);
    tried = true;
    if (!reply || (reply->code != 534 && reply->code != 504)) break;
  }
  if (!tried) {
    co_return local_outcome(Decision::Retry, "4.7.0",
                            target_.host + " offers no AUTH mechanism that we can use");
  }
  if (!reply)
    co_return local_outcome(Decision::Retry, "4.7.0", target_.host + ": AUTH: " + reply.error().detail);
  if (positive(*reply)) co_return std::nullopt;
  if (reply->code == 535) {  // nothing helps but the operator
    log::Event(log::Level::Error, "delivery.login_refused")
        .with("host", target_.host)
        .with("reply", one_line(*reply));
  }
  co_return classify(*reply, Stage::Auth, replies_);
}

net::Task<Result<smtp::Reply>> Client::authenticate_with(AuthMechanism mechanism, const Manners& manners) {
  switch (mechanism) {
    case AuthMechanism::OauthBearer:
    case AuthMechanism::Xoauth2: {
      Result<smtp::Reply> reply = co_await auth_token(mechanism, manners);
      co_return reply;
    }
    case AuthMechanism::ScramSha256: {
      Result<smtp::Reply> reply = co_await auth_scram(manners);
      co_return reply;
    }
    case AuthMechanism::Plain: {
      std::string credentials;
      credentials.append(1, '\0').append(manners.user).append(1, '\0').append(manners.password);
      Result<smtp::Reply> reply = co_await initial_response("PLAIN", credentials);
      co_return reply;
    }
    case AuthMechanism::Login: {
      Result<smtp::Reply> reply = co_await command("AUTH LOGIN", options_.command_timeout);
      if (goes_on(reply)) reply = co_await secret(manners.user);
      if (goes_on(reply)) reply = co_await secret(manners.password);
      co_return reply;
    }
  }
  co_return fail(Errc::Internal, "unknown mechanism");
}

/// RFC 4954 §4: an initial response that makes the command too long is sent on a line of its own.
net::Task<Result<smtp::Reply>> Client::initial_response(std::string mechanism, std::string response) {
  constexpr std::size_t kLongestCommand = 510;  // RFC 5321 §4.5.3.1.4, without CRLF
  std::string line = "AUTH " + mechanism;
  const std::string encoded = base64_encode(response);
  if (line.size() + 1 + encoded.size() <= kLongestCommand) {
    Result<smtp::Reply> reply = co_await secret_command(line + " " + encoded, line + " ***");
    co_return reply;
  }
  Result<smtp::Reply> reply = co_await command(line, options_.command_timeout);
  if (goes_on(reply)) reply = co_await secret(std::move(response));
  co_return reply;
}

net::Task<Result<smtp::Reply>> Client::secret(std::string response) {
  Result<smtp::Reply> reply = co_await secret_command(base64_encode(response), "***");
  co_return reply;
}

/// RFC 7628 §3.1, and the form that came before it. A refused token is forgotten, so that the next attempt asks for a
/// new one; the 334 that explains the refusal has to be answered before the 535 comes (§3.2.3).
net::Task<Result<smtp::Reply>> Client::auth_token(AuthMechanism mechanism, const Manners& manners) {
  const SteadyTime until = deadline(options_.command_timeout);
  POSTERN_CO_TRY(const std::string token, co_await manners.tokens->get(stream_.loop(), until));
  constexpr char kSeparator = 1;
  const bool bearer = mechanism == AuthMechanism::OauthBearer;
  std::string response = bearer ? "n,a=" + manners.user + "," : "user=" + manners.user;
  if (bearer) {
    response += kSeparator;
    response += "host=" + target_.host + kSeparator + "port=" + std::to_string(target_.endpoint.port);
  }
  response += kSeparator;
  response += "auth=Bearer " + token + kSeparator + kSeparator;
  Result<smtp::Reply> reply =
      co_await initial_response(bearer ? "OAUTHBEARER" : "XOAUTH2", std::move(response));
  if (goes_on(reply)) reply = co_await command(bearer ? "AQ==" : "", options_.command_timeout);
  if (reply && !positive(*reply)) manners.tokens->forget();
  co_return reply;
}

net::Task<Result<smtp::Reply>> Client::auth_scram(const Manners& manners) {
  sasl::ScramClient scram(manners.user, manners.password);
  Result<smtp::Reply> reply = co_await initial_response("SCRAM-SHA-256", scram.first());
  if (!goes_on(reply)) co_return reply;
  Result<std::string> final = scram.final(challenge_of(*reply));
  if (!final) {
    reply = co_await command("*", options_.command_timeout);  // RFC 4954 §4: cancels the exchange
    co_return final.error();
  }
  reply = co_await secret(*std::move(final));
  if (!reply) co_return reply;
  if (reply->code == 334 || positive(*reply)) {
    const Result<> verified = scram.verify(challenge_of(*reply));
    if (!verified) {
      usable_ = false;  // it let us in without knowing the password: nothing is entrusted to it
      co_return verified.error();
    }
    if (reply->code == 334) reply = co_await command("", options_.command_timeout);
  }
  co_return reply;
}

}  // namespace postern::delivery
