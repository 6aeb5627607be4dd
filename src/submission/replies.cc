#include "submission/replies.h"

#include "base/base64.h"
#include "smtp/address_grammar.h"
#include "smtp/handling.h"

#include <array>
#include <charconv>

namespace postern::submission::replies {
namespace {

Reply make(int code, smtp::EnhancedCode enhanced, std::string text) {
  return {code, enhanced, {std::move(text)}};
}

/// The code point whose UTF-8 begins `text`, which is a letter of more than one octet in valid UTF-8.
std::uint32_t code_point(std::string_view text, std::size_t length) {
  const auto first = static_cast<unsigned char>(text.front());
  std::uint32_t point = first & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i)
    point = point << 6U | (static_cast<unsigned char>(text[i]) & 0x3FU);
  return point;
}

/// Text that came from outside, safe to stand in a reply: ASCII only (RFC 6531 §3.7.1), no control characters. Other
/// letters are shown as \x{430} (RFC 6533 §3): who looks at an address that was refused sees which is not what it seems.
std::string shown(std::string_view text) {
  const bool utf8 = smtp::valid_utf8(text);
  std::string out;
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text.front());
    std::size_t length = 1;
    if (first >= ' ' && first <= '~') {
      out += text.front();
    } else if (first < 0xC2 || !utf8) {
      out += '?';
    } else {
      length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
      std::array<char, 8> hex{};
      const auto end = std::to_chars(hex.begin(), hex.end(), code_point(text, length), 16).ptr;
      out.append("\\x{").append(hex.begin(), end).append("}");
    }
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace

Reply banner(std::string_view hostname) { return make(220, {}, std::string(hostname) + " ESMTP Postern"); }

Reply ehlo(const Offer& offer) {
  Reply reply = make(250, {}, std::string(offer.hostname));
  for (const char* keyword :
       {"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8", "DSN", "CHUNKING", "BINARYMIME"})
    reply.lines.emplace_back(keyword);
  reply.lines.push_back("SIZE " + std::to_string(offer.max_message));
  reply.lines.push_back("LIMITS RCPTMAX=" + std::to_string(offer.max_recipients));  // RFC 9422
  if (offer.max_messages > 0) reply.lines.back() += " MAILMAX=" + std::to_string(offer.max_messages);
  if (offer.max_hold.count() > 0) {
    const std::string until = smtp::to_string(smtp::Hold{offer.now + offer.max_hold});
    reply.lines.push_back("FUTURERELEASE " + std::to_string(offer.max_hold.count()) + " " +
                          until.substr(until.find(';') + 1));  // RFC 4865 §3
  }
  reply.lines.emplace_back("DELIVERBY");    // RFC 2852 §2, without a least time
  reply.lines.emplace_back("MT-PRIORITY");  // RFC 6710 §3
  if (offer.tls) reply.lines.emplace_back("REQUIRETLS");
  if (offer.offer_starttls) reply.lines.emplace_back("STARTTLS");
  if (!offer.mechanisms.empty()) reply.lines.push_back("AUTH " + std::string(offer.mechanisms));
  return reply;
}
Reply helo(std::string_view hostname) { return make(250, {}, std::string(hostname)); }
Reply ok() { return make(250, {2, 0, 0}, "Ok"); }
Reply bye(std::string_view hostname) {
  return make(221, {2, 0, 0}, std::string(hostname) + " closing connection");
}
Reply help() {
  return make(214, {2, 0, 0},
              "Mail submission, RFC 6409: EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY");
}
Reply cannot_verify() { return make(252, {2, 5, 2}, "Cannot verify; send mail and see"); }
Reply start_tls() { return make(220, {2, 0, 0}, "Ready to start TLS"); }
Reply tls_unavailable() { return make(454, {4, 7, 0}, "TLS is not available now"); }
Reply tls_required() { return make(530, {5, 7, 0}, "Must issue a STARTTLS command first"); }
Reply tls_already() { return make(503, {5, 5, 1}, "TLS is active already"); }
Reply auth_required() { return make(530, {5, 7, 0}, "Authentication required"); }
Reply challenge(std::string_view octets) { return make(334, {}, base64_encode(octets)); }
Reply logged_in() { return make(235, {2, 7, 0}, "Authentication successful"); }
Reply bad_credentials() { return make(535, {5, 7, 8}, "Authentication credentials invalid"); }
Reply auth_cancelled() { return make(501, {5, 7, 0}, "Authentication cancelled"); }
Reply auth_bad_base64() { return make(501, {5, 5, 2}, "Cannot decode the response: it is not base64"); }
Reply auth_line_too_long() { return make(500, {5, 5, 6}, "Authentication exchange line is too long"); }
Reply auth_unknown_mechanism() { return make(504, {5, 5, 4}, "Unrecognized authentication mechanism"); }
Reply auth_unavailable() { return make(454, {4, 7, 0}, "Temporary authentication failure"); }
Reply auth_locked() { return make(454, {4, 7, 0}, "Too many failed logins; try again later"); }
Reply auth_needs_app_password() {
  return make(534, {5, 7, 9}, "Log in with an app password: the account's own is not for mail programs");
}
Reply log_in_again() { return make(421, {4, 7, 0}, "Log in again"); }
Reply on_hold(std::string_view account) {
  return make(450, {4, 7, 1}, "Sending of " + shown(account) + " is on hold until its operator releases it");
}
Reply already_authenticated() { return make(503, {5, 5, 1}, "Already authenticated"); }
Reply sender_ok() { return make(250, {2, 1, 0}, "Sender ok"); }
Reply sender_ok_without_priority() {
  return make(250, {2, 3, 6}, "0 is the priority of bulk accounts at most");
}
Reply recipient_ok() { return make(250, {2, 1, 5}, "Recipient ok"); }
Reply send_data() { return make(354, {}, "End data with <CR><LF>.<CR><LF>"); }
Reply accepted(const queue::Receipt& receipt, std::string_view note) {
  return make(250, {2, 0, 0},
              "Ok: queued as " + to_string(receipt.id()) + (note.empty() ? "" : "; " + shown(note)));
}

Reply refused(const intake::Refusal& refusal) {
  using Why = intake::Refusal::Why;
  const std::string text = shown(refusal.detail);
  switch (refusal.why) {
    case Why::BadContent:
      return make(554, {5, 6, 0}, "Message refused: " + text);
    case Why::TooManyHops:
      return make(554, {5, 4, 6}, text);
    case Why::HeaderTooLarge:
      return make(552, {5, 3, 4}, "Message refused: " + text);
    case Why::NotYourFrom:
      return make(550, {5, 7, 1}, text);
    case Why::NoSigningKey:
      return make(550, {5, 7, 1}, "Not sent unsigned: " + text + " (postern domain add)");
    case Why::OverLimit:
      return over_limit(guard::Verdict::defer(text));
    case Why::OverLimitForGood:
      return over_limit(guard::Verdict::reject(text));
    case Why::Held:
      return on_hold(text);
    case Why::Unwanted:
      return make(550, {5, 7, 1},
                  "Message refused by the content scanner" + (text.empty() ? "" : ": " + text));
    case Why::NotScanned:
      return make(451, {4, 7, 1}, "Try again later" + (text.empty() ? "" : ": " + text));
    case Why::StoreDown:
      return make(452, {4, 3, 1}, "Message not accepted now; try again later");
    case Why::Suspended:
      return make(550, {5, 7, 1}, text);
  }
  return make(451, {4, 3, 0}, "Internal error");
}

Reply chunk_ok(std::uint64_t octets) {
  return make(250, {2, 0, 0}, std::to_string(octets) + " octets received");
}
Reply binary_needs_bdat() { return make(503, {5, 5, 1}, "BODY=BINARYMIME needs BDAT (RFC 3030)"); }
Reply bare_line_end() {
  return make(554, {5, 6, 0},
              "Message refused: a CR or LF stands alone; lines end with CRLF (RFC 5321 2.3.8)");
}
Reply line_too_long_in_data() {
  return make(554, {5, 6, 0}, "Message refused: a line has more than 998 octets (RFC 5322 2.1.1)");
}
Reply nul_in_data() {
  return make(554, {5, 6, 0},
              "Message refused: it holds a NUL, which only BODY=BINARYMIME may (RFC 2045 2.8)");
}
Reply not_your_sender(std::string_view account, std::string_view address) {
  return make(550, {5, 7, 1}, shown(account) + " may not send as " + shown(address));
}
Reply not_in_good_standing(accounts::Standing standing) {
  if (standing == accounts::Standing::Unknown) return make(451, {4, 3, 0}, to_string(standing));
  return make(550, {5, 7, 1}, to_string(standing));
}
Reply over_limit(const guard::Verdict& verdict) {
  const std::string text = "Sending limit: " + shown(verdict.reason);
  return verdict.permanent ? make(550, {5, 7, 1}, text) : make(450, {4, 7, 1}, text);
}
Reply sender_not_fully_qualified() { return make(554, {5, 1, 8}, "Domain is not fully qualified"); }
Reply recipient_not_fully_qualified() { return make(554, {5, 1, 2}, "Domain is not fully qualified"); }
Reply sender_needs_smtputf8() { return make(550, {5, 6, 7}, "A non-ASCII sender needs SMTPUTF8 at MAIL"); }
Reply recipient_needs_smtputf8() {
  return make(553, {5, 6, 7}, "A non-ASCII recipient needs SMTPUTF8 at MAIL");
}
Reply no_postmaster() { return make(550, {5, 1, 1}, "No postmaster address is configured"); }
Reply too_big(std::uint64_t limit) {
  return make(552, {5, 3, 4}, "Message size exceeds the limit of " + std::to_string(limit) + " octets");
}
Reply hold_too_long(std::chrono::seconds most) {
  return make(501, {5, 5, 4}, "Messages are held for at most " + std::to_string(most.count()) + " seconds");
}
Reply hold_after_deliver_by() {
  return make(501, {5, 5, 4}, "The message would be held for longer than BY gives it (RFC 4865 5.2.2)");
}
Reply too_many_recipients() {
  return make(452, {4, 5, 3}, "Too many recipients; send the rest in another message");
}
Reply bad_sequence(std::string_view hint) {
  return make(503, {5, 5, 1}, "Bad sequence of commands: " + std::string(hint));
}
Reply syntax_error(std::string_view detail) { return make(501, {5, 5, 4}, "Syntax error: " + shown(detail)); }
Reply bad_sender_address(std::string_view detail) {
  return make(501, {5, 1, 7}, "Bad sender address: " + shown(detail));
}
Reply bad_recipient_address(std::string_view detail) {
  return make(501, {5, 1, 3}, "Bad recipient address: " + shown(detail));
}
Reply unknown_parameter() { return make(555, {5, 5, 4}, "Unsupported parameter"); }
Reply unknown_command() { return make(500, {5, 5, 2}, "Unrecognized command"); }
Reply not_offered() { return make(502, {5, 5, 1}, "Command not implemented"); }
Reply command_too_long() { return make(500, {5, 5, 2}, "Line too long"); }
Reply too_many_errors() { return make(421, {4, 7, 0}, "Too many errors"); }
Reply too_many_messages() {
  return make(421, {4, 7, 0}, "Too many messages on this connection; send the rest on another");
}
Reply too_many_failed_logins() { return make(421, {4, 7, 0}, "Too many failed logins on this connection"); }
Reply timed_out() { return make(421, {4, 4, 2}, "Timeout"); }
Reply shutting_down() { return make(421, {4, 3, 2}, "Service is shutting down"); }
Reply too_busy() { return make(421, {4, 3, 2}, "Too many connections; try again later"); }
Reply too_many_connections() { return make(421, {4, 7, 0}, "Too many connections from your network"); }
Reply store_down() { return make(421, {4, 3, 0}, "Mail cannot be stored now; try again later"); }
Reply not_smtp() { return make(554, {5, 5, 0}, "This is a mail submission server: it speaks SMTP only"); }
Reply tls_expected() {
  return make(554, {5, 5, 0}, "This port begins with TLS; for STARTTLS connect to the submission port, 587");
}
Reply starttls_expected() {
  return make(
      554, {5, 5, 0},
      "This port begins in clear, with STARTTLS; for implicit TLS connect to the submissions port, 465");
}

}  // namespace postern::submission::replies
