#include "probe/dialogue.h"

#include "base/base64.h"
#include "mail/date.h"
#include "probe/recognise.h"
#include "sasl/scram_client.h"
#include "smtp/reply.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>

namespace postern::probe {
namespace {

/// A stranger's address: the domain is reserved (RFC 2606 §3), so no mail can reach anybody even by mistake.
constexpr const char* kStranger = "postern-check@example.com";

std::string reply_text(const smtp::Reply& reply) {
  std::string text;
  for (const std::string& line : reply.lines) text += (text.empty() ? "" : " / ") + line;
  if (reply.enhanced.klass != 0) {
    text =
        fmt::format("{}.{}.{} {}", reply.enhanced.klass, reply.enhanced.subject, reply.enhanced.detail, text);
  }
  return printable(text, 400);
}

bool offers(const std::vector<std::string>& mechanisms, const char* wanted) {
  return std::find(mechanisms.begin(), mechanisms.end(), wanted) != mechanisms.end();
}

std::string random_hex() {
  std::array<unsigned char, 12> octets{};
  RAND_bytes(octets.data(), static_cast<int>(octets.size()));
  std::string out;
  for (const unsigned char octet : octets) out += fmt::format("{:02x}", octet);
  return out;
}

std::string message_text(const TestMessage& message) {
  const TimePoint now = std::chrono::time_point_cast<TimePoint::duration>(std::chrono::system_clock::now());
  const std::string domain = message.from.substr(message.from.rfind('@') + 1);
  return fmt::format(
      "From: <{0}>\r\nTo: <{1}>\r\nSubject: postern check: test message\r\nDate: {2}\r\n"
      "Message-ID: <postern-check.{3}@{4}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
      "charset=us-ascii\r\n"
      "Auto-Submitted: auto-generated\r\n\r\n"
      "This message was sent by `postern check` through {5},\r\nto see that it takes mail.\r\n.\r\n",
      message.from, message.to, mail::format_date(now), random_hex(), domain, message.host);
}

}  // namespace

Exchange read_reply(Wire& wire, SteadyTime deadline, std::vector<std::string>* lines) {
  const SteadyTime start = std::chrono::steady_clock::now();
  Exchange seen;
  smtp::ReplyParser parser;
  while (true) {
    const Result<std::string> line = wire.read_line(deadline);
    seen.elapsed = std::chrono::duration_cast<Elapsed>(std::chrono::steady_clock::now() - start);
    if (!line) {
      seen.error = line.error().detail;
      return seen;
    }
    const auto reply = parser.feed(*line);
    if (!reply) {
      seen.error = "not an SMTP reply: " + printable(*line);
      return seen;
    }
    if (!*reply) continue;
    seen.code = (*reply)->code;
    seen.text = reply_text(**reply);
    if (lines != nullptr) *lines = (*reply)->lines;
    return seen;
  }
}

Exchange ask(Wire& wire, std::string_view command, SteadyTime deadline, std::vector<std::string>* lines) {
  const SteadyTime start = std::chrono::steady_clock::now();
  Exchange seen;
  if (const Result<> sent = wire.write(std::string(command) + "\r\n", deadline); !sent) {
    seen.error = sent.error().detail;
    // A reply may have come before the end: "421 too many connections".
    const Exchange last = read_reply(wire, std::min(deadline, start + std::chrono::milliseconds{200}), lines);
    if (last.code != 0) return last;
    return seen;
  }
  seen = read_reply(wire, deadline, lines);
  return seen;
}

EhloSeen greet(Wire& wire, const std::string& name, SteadyTime deadline) {
  EhloSeen seen;
  seen.tried = true;
  std::vector<std::string> lines;
  seen.reply = ask(wire, "EHLO " + name, deadline, &lines);
  if (seen.reply.code / 100 == 5 && seen.reply.code != 521 && seen.reply.code != 554) {
    const Exchange helo = ask(wire, "HELO " + name, deadline);
    if (helo.code / 100 == 2) {
      seen.helo_only = true;
      return seen;
    }
  }
  if (seen.reply.code / 100 == 2) read_ehlo(lines, seen);
  return seen;
}

namespace {

std::string challenge_of(const std::vector<std::string>& lines) {
  return base64_decode(lines.empty() ? std::string_view() : std::string_view(lines[0])).value_or("");
}

/// RFC 5802: the password itself is not sent, and the server has to prove that it knows it too.
Exchange login_scram(Wire& wire, const std::string& user, const std::string& password, SteadyTime deadline) {
  sasl::ScramClient scram(user, password);
  std::vector<std::string> lines;
  Exchange reply = ask(wire, "AUTH SCRAM-SHA-256 " + base64_encode(scram.first()), deadline, &lines);
  if (reply.code != 334) return reply;
  const Result<std::string> final = scram.final(challenge_of(lines));
  if (!final) {
    reply = ask(wire, "*", deadline);  // RFC 4954 §4: cancels the exchange
    reply.error = final.error().detail;
    return reply;
  }
  lines.clear();
  reply = ask(wire, base64_encode(*final), deadline, &lines);
  if (reply.code != 334 && reply.code / 100 != 2) return reply;
  const Result<> proof = scram.verify(challenge_of(lines));
  if (reply.code == 334) reply = ask(wire, proof ? "" : "*", deadline);
  if (!proof) {
    reply.code = 0;
    reply.error = "the server could not prove that it knows the password: " + proof.error().detail;
  }
  return reply;
}

}  // namespace

LoginSeen login(Wire& wire, const std::vector<std::string>& mechanisms, const std::string& user,
                const std::string& password, SteadyTime deadline) {
  LoginSeen seen;
  seen.tried = true;
  if (offers(mechanisms, "SCRAM-SHA-256")) {
    seen.mechanism = "SCRAM-SHA-256";
    seen.reply = login_scram(wire, user, password, deadline);
    // RFC 4954 §6: 534 and 504 are about the mechanism and not about the password.
    if (seen.reply.code != 504 && seen.reply.code != 534) return seen;
  }
  if (offers(mechanisms, "PLAIN")) {
    seen.mechanism = "PLAIN";
    seen.reply =
        ask(wire, "AUTH PLAIN " + base64_encode(std::string(1, '\0') + user + '\0' + password), deadline);
  } else if (offers(mechanisms, "LOGIN")) {
    seen.mechanism = "LOGIN";
    seen.reply = ask(wire, "AUTH LOGIN", deadline);
    if (seen.reply.code == 334) seen.reply = ask(wire, base64_encode(user), deadline);
    if (seen.reply.code == 334) seen.reply = ask(wire, base64_encode(password), deadline);
  } else if (seen.mechanism.empty()) {
    seen.refused_by_us = "the server offers none of SCRAM-SHA-256, PLAIN and LOGIN";
  }
  return seen;
}

MessageSeen send_message(Wire& wire, const TestMessage& message, SteadyTime deadline) {
  MessageSeen seen;
  seen.tried = true;
  struct Step {
    const char* name;
    std::string line;
    int wanted;  // first digit
  };
  const std::array steps{Step{"MAIL", "MAIL FROM:<" + message.from + '>', 2},
                         Step{"RCPT", "RCPT TO:<" + message.to + '>', 2}, Step{"DATA", "DATA", 3}};
  for (const Step& step : steps) {
    seen.reply = ask(wire, step.line, deadline);
    if (seen.reply.code / 100 == step.wanted) continue;
    seen.failed_at = step.name;
    return seen;
  }
  std::string text = message_text(message);
  text.resize(text.size() - 2);  // ask() adds the last CRLF
  seen.reply = ask(wire, text, deadline);
  if (seen.reply.code / 100 != 2) seen.failed_at = "message";
  return seen;
}

RelaySeen try_relay(Wire& wire, SteadyTime deadline) {
  RelaySeen seen;
  seen.tried = true;
  seen.mail = ask(wire, "MAIL FROM:<>", deadline);
  if (seen.mail.code / 100 == 2) {
    seen.recipient = ask(wire, std::string("RCPT TO:<") + kStranger + '>', deadline);
  }
  if (seen.mail.code != 0 && seen.mail.code != 421) (void)ask(wire, "RSET", deadline);
  return seen;
}

}  // namespace postern::probe
