#include "probe/dialogue.h"

#include "mail/date.h"
#include "probe/recognise.h"
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
