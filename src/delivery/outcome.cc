#include "delivery/outcome.h"

#include <algorithm>
#include <array>
#include <utility>

namespace postern::delivery {
namespace {

/// The status of a reply: its own when it is well-formed and agrees with the decision, else the general one.
std::string status_of(const smtp::Reply& reply, Decision decision) {
  const char digit = decision == Decision::Done ? '2' : decision == Decision::Failed ? '5' : '4';
  std::string own = smtp::to_string(reply.enhanced);
  if (!own.empty() && own[0] == digit) return own;
  return std::string(1, digit) + ".0.0";
}

Decision decide(int code, Stage stage) {
  const int kind = code / 100;
  if (stage == Stage::Data) return kind == 5 ? Decision::Failed : Decision::Retry;
  if (stage == Stage::Auth || stage == Stage::Hello || stage == Stage::StartTls) return Decision::Retry;
  if (stage == Stage::Rcpt && code == 552) return Decision::Retry;
  if (kind == 2) return Decision::Done;
  return kind == 5 ? Decision::Failed : Decision::Retry;
}

/// Greylisting says 4.7.x to RCPT and means this triplet; a full mailbox says 4.2.2 and means this user.
bool is_about_the_site(const smtp::Reply& reply, Stage stage) {
  if (reply.code == 421 || stage < Stage::Mail) return true;
  const std::string status = smtp::to_string(reply.enhanced);
  if (status.starts_with("4.3.")) return true;  // RFC 3463 §3.4: the receiving system
  return stage == Stage::Mail && status.starts_with("4.7.");
}

}  // namespace

const char* to_string(Decision decision) {
  switch (decision) {
    case Decision::Done:
      return "done";
    case Decision::Retry:
      return "retry";
    case Decision::Failed:
      return "failed";
    case Decision::Postponed:
      return "postponed";
    case Decision::Held:
      return "held";
  }
  return "unknown";
}

const char* to_string(Stage stage) {
  switch (stage) {
    case Stage::Banner:
      return "banner";
    case Stage::Hello:
      return "ehlo";
    case Stage::StartTls:
      return "starttls";
    case Stage::Auth:
      return "auth";
    case Stage::Mail:
      return "mail";
    case Stage::Rcpt:
      return "rcpt";
    case Stage::Data:
      return "data";
    case Stage::FinalDot:
      return "message";
  }
  return "unknown";
}

std::string harmless(std::string_view text, std::size_t longest) {
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80; };
  std::size_t end = std::min(text.size(), longest);
  while (end < text.size() && end > 0 && continues(text[end])) --end;  // no half of a UTF-8 character
  std::string out(text.substr(0, end));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return out;
}

std::string one_line(const smtp::Reply& reply) {
  constexpr std::size_t kLongest = 512;
  std::string out = std::to_string(reply.code);
  const std::string enhanced = smtp::to_string(reply.enhanced);
  if (!enhanced.empty()) out.append(" ").append(enhanced);
  for (const std::string& line : reply.lines) {
    if (out.size() >= kLongest) break;
    if (!line.empty()) out.append(" ").append(line);
  }
  return harmless(out, kLongest);
}

Outcome classify(const smtp::Reply& reply, Stage stage) {
  const Decision decision = decide(reply.code, stage);
  Outcome out{decision, status_of(reply, decision), one_line(reply), true};
  out.site = decision == Decision::Retry && is_about_the_site(reply, stage);
  return out;
}

bool says_unknown(std::string_view status) {
  // RFC 3463 §3.2, §3.3 (mailbox disabled), RFC 7505 §5.1 (the domain takes no mail).
  static constexpr std::array kUnknown{"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"};
  return std::ranges::find(kUnknown, status) != kUnknown.end();
}

Outcome local_outcome(Decision decision, std::string_view status, std::string text) {
  return {decision, std::string(status), std::move(text), false};
}

bool too_many_recipients(const smtp::Reply& reply) { return reply.code == 452 || reply.code == 552; }

}  // namespace postern::delivery
