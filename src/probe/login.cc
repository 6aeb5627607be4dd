#include "probe/login.h"

#include "base/base64.h"
#include "probe/dialogue.h"
#include "probe/recognise.h"
#include "sasl/scram_client.h"

#include <algorithm>

namespace postern::probe {
namespace {

constexpr int kGoOn = 334;
constexpr char kSeparator = 1;  // ^A of RFC 7628 §3.1

bool offers(const std::vector<std::string>& mechanisms, const char* wanted) {
  return std::find(mechanisms.begin(), mechanisms.end(), wanted) != mechanisms.end();
}

std::string challenge_of(const std::vector<std::string>& lines) {
  return base64_decode(lines.empty() ? std::string_view() : std::string_view(lines[0])).value_or("");
}

/// RFC 4954 §4: an initial response that makes the command too long goes on a line of its own.
Exchange begin(Wire& wire, const std::string& mechanism, const std::string& response, SteadyTime deadline,
               std::vector<std::string>* lines = nullptr) {
  constexpr std::size_t kLongestCommand = 510;  // RFC 5321 §4.5.3.1.4, without CRLF
  const std::string command = "AUTH " + mechanism;
  const std::string encoded = base64_encode(response);
  if (command.size() + 1 + encoded.size() <= kLongestCommand)
    return ask(wire, command + ' ' + encoded, deadline, lines);
  const Exchange reply = ask(wire, command, deadline);
  return reply.code == kGoOn ? ask(wire, encoded, deadline, lines) : reply;
}

/// RFC 5802: the password itself is not sent, and the server has to prove that it knows it too.
Exchange login_scram(Wire& wire, const Credentials& credentials, SteadyTime deadline) {
  sasl::ScramClient scram(credentials.user, credentials.secret);
  std::vector<std::string> lines;
  Exchange reply = begin(wire, "SCRAM-SHA-256", scram.first(), deadline, &lines);
  if (reply.code != kGoOn) return reply;
  const Result<std::string> final = scram.final(challenge_of(lines));
  if (!final) {
    reply = ask(wire, "*", deadline);  // RFC 4954 §4: cancels the exchange
    reply.error = final.error().detail;
    return reply;
  }
  lines.clear();
  reply = ask(wire, base64_encode(*final), deadline, &lines);
  if (reply.code != kGoOn && reply.code / 100 != 2) return reply;
  const Result<> proof = scram.verify(challenge_of(lines));
  if (reply.code == kGoOn) reply = ask(wire, proof ? "" : "*", deadline);
  if (!proof) {
    reply.code = 0;
    reply.error = "the server could not prove that it knows the password: " + proof.error().detail;
  }
  return reply;
}

Exchange login_login(Wire& wire, const Credentials& credentials, SteadyTime deadline) {
  Exchange reply = ask(wire, "AUTH LOGIN", deadline);
  if (reply.code == kGoOn) reply = ask(wire, base64_encode(credentials.user), deadline);
  if (reply.code == kGoOn) reply = ask(wire, base64_encode(credentials.secret), deadline);
  return reply;
}

LoginSeen login_password(Wire& wire, const std::vector<std::string>& mechanisms,
                         const Credentials& credentials, SteadyTime deadline) {
  LoginSeen seen;
  seen.tried = true;
  if (offers(mechanisms, "SCRAM-SHA-256")) {
    seen.mechanism = "SCRAM-SHA-256";
    seen.reply = login_scram(wire, credentials, deadline);
    // RFC 4954 §6: 534 and 504 are about the mechanism and not about the password.
    if (seen.reply.code != 504 && seen.reply.code != 534) return seen;
  }
  if (offers(mechanisms, "PLAIN")) {
    seen.mechanism = "PLAIN";
    seen.reply =
        begin(wire, "PLAIN", std::string(1, '\0') + credentials.user + '\0' + credentials.secret, deadline);
  } else if (offers(mechanisms, "LOGIN")) {
    seen.mechanism = "LOGIN";
    seen.reply = login_login(wire, credentials, deadline);
  } else if (seen.mechanism.empty()) {
    seen.refused_by_us = "the server offers none of SCRAM-SHA-256, PLAIN and LOGIN";
  }
  return seen;
}

LoginSeen login_token(Wire& wire, const std::vector<std::string>& mechanisms, const Credentials& credentials,
                      const LoginPlace& place, SteadyTime deadline) {
  LoginSeen seen;
  seen.tried = true;
  seen.with_token = true;
  const bool bearer = offers(mechanisms, "OAUTHBEARER");
  if (!bearer && !offers(mechanisms, "XOAUTH2")) {
    seen.refused_by_us = "the server takes no tokens: it offers neither OAUTHBEARER nor XOAUTH2";
    return seen;
  }
  seen.mechanism = bearer ? "OAUTHBEARER" : "XOAUTH2";
  std::vector<std::string> lines;
  seen.reply = begin(wire, seen.mechanism,
                     bearer ? oauthbearer_response(credentials, place) : xoauth2_response(credentials),
                     deadline, &lines);
  if (seen.reply.code != kGoOn) return seen;
  // The refusal in JSON; it has to be answered before the 535 comes (RFC 7628 §3.2.3).
  const std::string why = printable(challenge_of(lines), 400);
  seen.reply = ask(wire, bearer ? base64_encode(std::string(1, kSeparator)) : "", deadline);
  if (!why.empty()) seen.reply.text += (seen.reply.text.empty() ? "" : " ") + why;
  return seen;
}

/// saslname: comma and equals sign are written as "=2C" and "=3D"   ; RFC 5801 §4
std::string saslname(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == ',' ? "=2C" : (c == '=' ? "=3D" : std::string(1, c));
  return out;
}

}  // namespace

std::string oauthbearer_response(const Credentials& credentials, const LoginPlace& place) {
  std::string out = "n,a=" + saslname(credentials.user) + ',' + kSeparator;
  out += "host=" + place.host + kSeparator;
  out += "port=" + std::to_string(place.port) + kSeparator;
  out += "auth=Bearer " + credentials.secret + kSeparator;
  return out + kSeparator;
}

std::string xoauth2_response(const Credentials& credentials) {
  return "user=" + credentials.user + kSeparator + "auth=Bearer " + credentials.secret + kSeparator +
         kSeparator;
}

LoginSeen login(Wire& wire, const std::vector<std::string>& mechanisms, const Credentials& credentials,
                const LoginPlace& place, SteadyTime deadline) {
  if (credentials.is_token) return login_token(wire, mechanisms, credentials, place, deadline);
  return login_password(wire, mechanisms, credentials, deadline);
}

}  // namespace postern::probe
