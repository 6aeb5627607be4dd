#include "delivery/dsn.h"

#include "mail/date.h"
#include "smtp/address_grammar.h"
#include "smtp/xtext.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>

namespace postern::delivery {
namespace {

constexpr std::size_t kFoldAt = 76;

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// `text` in printable US-ASCII: message/delivery-status is 7bit (RFC 3464 §2.1), and a reply is a stranger's
/// text.
std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return out;
}

/// A report to a sender who has letters beyond ASCII in the address goes with SMTPUTF8, so it may have them as well
/// (RFC 6533 §2).
bool international(const Report& report) { return !is_ascii(report.sender); }

/// `text` as a report of that kind shows it: UTF-8 without control characters, or ASCII.
std::string visible(const Report& report, std::string_view text) {
  if (!international(report) || !smtp::valid_utf8(text)) return printable(text);
  std::string out(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return out;
}

/// "Name: value" folded at spaces; a word longer than a line is left whole up to 900 octets, then cut.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  constexpr std::size_t kLongestWord = 900;
  std::size_t column = name.size() + 1;
  out.append(name).append(":");
  while (!value.empty()) {
    const std::size_t end = std::min(value.find(' '), value.size());
    const std::string_view word = value.substr(0, std::min(end, kLongestWord));
    if (column > name.size() + 1 && column + 1 + word.size() > kFoldAt) {
      out += "\r\n";
      column = 0;
    }
    out.append(" ").append(word);
    column += 1 + word.size();
    value.remove_prefix(std::min(end + 1, value.size()));
  }
  out += "\r\n";
}

/// What xtext stands for; what is not valid xtext stays as it is.
std::string decode_xtext(std::string_view text) {
  return smtp::xtext_decode(text).value_or(std::string(text));
}

/// utf-8-addr-xtext: what is not printable ASCII, and `\ + =`, as \x{HEX} of the code point (RFC 6533 §3).
std::string utf8_addr_xtext(std::string_view address) {
  std::string out;
  for (std::size_t i = 0; i < address.size();) {
    const auto lead = static_cast<unsigned char>(address[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (length == 1 && lead > 0x20 && lead < 0x7f && lead != '\\' && lead != '+' && lead != '=') {
      out += address[i++];
      continue;
    }
    std::uint32_t point = length == 1 ? lead : lead & (0xffU >> (length + 1));
    for (std::size_t k = 1; k < length && i + k < address.size(); ++k) {
      point = (point << 6U) | (static_cast<unsigned char>(address[i + k]) & 0x3fU);
    }
    char escaped[16];
    std::snprintf(escaped, sizeof escaped, "\\x{%X}", point);
    out += escaped;
    i += length;
  }
  return out;
}

/// "rfc822; a@b" or "utf-8; ..." (RFC 3464 §2.1.2, RFC 6533 §3).
std::string typed_address(const Report& report, std::string_view address) {
  if (international(report) && !is_ascii(address)) return "utf-8; " + visible(report, address);
  return is_ascii(address) ? "rfc822; " + printable(address) : "utf-8; " + utf8_addr_xtext(address);
}

/// The ORCPT parameter "type;xtext" as the field's "type; address" (RFC 3461 §6.3).
std::string original_recipient(std::string_view orcpt) {
  const std::size_t semicolon = orcpt.find(';');
  if (semicolon == std::string_view::npos) return "rfc822; " + printable(decode_xtext(orcpt));
  std::string type(orcpt.substr(0, semicolon));
  return printable(type) + "; " + printable(decode_xtext(orcpt.substr(semicolon + 1)));
}

/// Quoted-printable of CRLF-lined text (RFC 2045 §6.7).
std::string quoted_printable(std::string_view text) {
  std::string out;
  std::size_t column = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') {
      out += "\r\n";
      column = 0;
      ++i;
      continue;
    }
    const bool at_line_end = i + 1 == text.size() || text[i + 1] == '\r';
    const bool plain = (c > 0x20 && c < 0x7f && c != '=') || ((c == ' ' || c == '\t') && !at_line_end);
    if (column + (plain ? 1U : 3U) > 75) {
      out += "=\r\n";
      column = 0;
    }
    char escaped[4];
    std::snprintf(escaped, sizeof escaped, "=%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
    out.append(plain ? std::string_view(&c, 1) : std::string_view(escaped, 3));
    column += plain ? 1 : 3;
  }
  return out;
}

/// The header section of a message, with its last CRLF and without the empty line.
std::string_view header_of(std::string_view message) {
  if (message.starts_with("\r\n")) return {};
  const std::size_t end = message.find("\r\n\r\n");
  return end == std::string_view::npos ? message : message.substr(0, end + 2);
}

/// What the kinds of reports say differently.
struct Wording {
  const char* subject;
  const char* action;
  std::string opening;
};

Wording wording_of(const Report& report) {
  switch (report.news) {
    case News::Delayed:
      return {"Delayed mail (still being tried)", "delayed",
              "Your message has not reached the recipients below yet. It is tried again until\r\n" +
                  mail::format_date(report.tried_until) +
                  ". You need not do anything, and\r\nthere will be no further notice unless it fails for "
                  "good.\r\n"};
    case News::Relayed:
      return {"Delivery report (relayed)", "relayed",
              "Your message was handed to the systems of the recipients below. These do not\r\n"
              "report when it arrives, so this is the last that you will hear of it unless\r\n"
              "something goes wrong there.\r\n"};
    case News::Expanded:
      return {"Delivery report (expanded)", "expanded",
              "The addresses below stand for several recipients, to all of whom your message\r\n"
              "was sent on. You will only hear of them if something goes wrong.\r\n"};
    case News::Failed:
      break;
  }
  return {"Undelivered mail returned to sender", "failed",
          "Your message could not be delivered to the recipients below. It will not be\r\n"
          "tried again.\r\n"};
}

/// Text at the left margin, wrapped.
void append_paragraph(std::string& out, std::string_view text) {
  std::size_t column = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (column > 0 && column + 1 + end > kFoldAt) {
      out += "\r\n";
      column = 0;
    }
    out.append(column > 0 ? " " : "    ").append(text.substr(0, end));
    column += column > 0 ? end + 1 : end + 4;
    if (column > kFoldAt - 4) column = kFoldAt;
    text.remove_prefix(std::min(end + 1, text.size()));
    if (column == kFoldAt && !text.empty()) {
      out += "\r\n";
      column = 0;
    }
  }
  out += "\r\n";
}

void append_human_part(std::string& out, const Report& report) {
  out += international(report)
             ? "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
             : "Content-Type: text/plain; charset=us-ascii\r\n\r\n";
  out += "This is the mail system at " + printable(report.reporting_mta) + ".\r\n\r\n";
  out += wording_of(report).opening;
  for (const ReportedRecipient& r : report.recipients) {
    const bool as_it_is = international(report) || is_ascii(r.address);
    out += "\r\n  <" + (as_it_is ? visible(report, r.address) : utf8_addr_xtext(r.address)) + ">\r\n\r\n";
    if (report.news != News::Relayed && report.news != News::Expanded)
      append_paragraph(out, plain_words(r.status));
    append_field(out, r.remote_mta.empty() ? "    Reason" : "    " + printable(r.remote_mta) + " said",
                 visible(report, r.diagnostic));
  }
  out += "\r\nThe second part of this report has the details for programs, the third part\r\n";
  out += "has your message or its header. Its queue id was " + to_string(report.original) + ".\r\n";
}

void append_status_part(std::string& out, const Report& report) {
  out += international(report)
             ? "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
             : "Content-Type: message/delivery-status\r\n\r\n";
  // RFC 3461 §6.3: present if and only if ENVID came.
  if (!report.envid.empty()) append_field(out, "Original-Envelope-Id", printable(decode_xtext(report.envid)));
  append_field(out, "Reporting-MTA", "dns; " + printable(report.reporting_mta));
  append_field(out, "Arrival-Date", mail::format_date(report.arrived));
  if (report.deliver_by) append_field(out, "Deliver-By-Date", mail::format_date(*report.deliver_by));
  if (!report.future_release.empty()) append_field(out, "Future-Release-Request", report.future_release);
  for (const ReportedRecipient& r : report.recipients) {
    out += "\r\n";
    if (!r.orcpt.empty()) append_field(out, "Original-Recipient", original_recipient(r.orcpt));
    append_field(out, "Final-Recipient", typed_address(report, r.address));
    append_field(out, "Action", wording_of(report).action);
    append_field(out, "Status", r.status);
    // RFC 3464 §2.3.6: Diagnostic-Code is for what the remote said; our own reason is in the text for humans.
    if (!r.remote_mta.empty()) {
      append_field(out, "Remote-MTA", "dns; " + printable(r.remote_mta));
      append_field(out, "Diagnostic-Code", "smtp; " + visible(report, r.diagnostic));
      append_field(out, "Last-Attempt-Date", mail::format_date(r.last_attempt));
    }
    // RFC 3464 §2.3.9: only where an attempt will follow.
    if (report.news == News::Delayed)
      append_field(out, "Will-Retry-Until", mail::format_date(report.tried_until));
  }
}

void append_original_part(std::string& out, const Report& report, std::string_view original) {
  if (report.what == Return::Full && report.news == News::Failed && is_ascii(original)) {
    out += "Content-Type: message/rfc822\r\n\r\n";
    out += original;
    return;
  }
  if (international(report) && !is_ascii(original)) {  // RFC 6533 §4, RFC 6532 §3.7
    const bool whole = report.what == Return::Full && report.news == News::Failed;
    out += whole ? "Content-Type: message/global\r\n" : "Content-Type: message/global-headers\r\n";
    out.append("Content-Transfer-Encoding: 8bit\r\n\r\n").append(whole ? original : header_of(original));
    return;
  }
  const std::string_view header = header_of(original);
  out += "Content-Type: text/rfc822-headers\r\n";
  if (is_ascii(header)) {
    out.append("\r\n").append(header);
  } else {
    out.append("Content-Transfer-Encoding: quoted-printable\r\n\r\n").append(quoted_printable(header));
  }
}

}  // namespace

std::string_view plain_words(std::string_view status) {
  struct Words {
    std::string_view ends;  // with class 4 or 5 before it, or with its own
    std::string_view text;
  };
  static constexpr Words kWords[] = {
      {"4.2.1", "The mailbox takes no mail at the moment, often because much came at once."},
      {"4.7.0", "The receiving system puts our mail off for the moment. That often ends by itself."},
      {"4.7.1",
       "The receiving system puts our mail off for the moment, as some do with mail from whom they do not "
       "know."},
      {".1.1", "The receiving system does not know this address. Check its spelling."},
      {".1.2", "The domain of this address does not exist or has no mail system. Check its spelling."},
      {".1.3", "This is not a valid address. Check its spelling."},
      {".1.6", "The mailbox has moved and left no new address. Ask the recipient for it."},
      {".1.10", "This domain says that it takes no mail at all. Use another address of the recipient."},
      {".2.1", "The mailbox is disabled or takes no mail now. Ask the recipient another way."},
      {".2.2", "The mailbox is full. The recipient has to make room before mail can arrive."},
      {".2.3", "The message is larger than this mailbox takes. Send less, or a link to the file."},
      {".3.4", "The message is larger than the receiving system takes. Send less, or a link to the file."},
      {".4.1", "The receiving system does not answer. That is usually repaired at the other side."},
      {".4.2", "The connection to the receiving system was lost. That is usually temporary."},
      {".4.3", "The name service gave no answer for the domain of this address. That is usually temporary."},
      {".4.4", "No way to the receiving system was found. Its administrators have to repair that."},
      {".4.5", "The receiving system has much to do and takes mail slowly."},
      {".4.6", "The mail would go round in circles: the domain's mail hosts point back to us."},
      {".4.7", "The receiving system did not take the message in all the time it was tried."},
      {".5.0", "The receiving system answers with what is no answer. Its administrators have to look at it."},
      {".5.3", "The receiving system takes fewer recipients at once."},
      {".6.1", "The receiving system does not take this kind of content."},
      {".6.3",
       "The receiving system cannot take the characters of this message. Send it as plain text or "
       "attachment."},
      {".6.7",
       "The receiving system cannot take an address with letters beyond a to z. Use another address."},
      {".7.10", "The way to the receiving system is not as protected as this message asks for."},
      {".7.30", "The receiving system does not promise the protection this message asks for."},
  };
  static constexpr Words kSubjects[] = {
      {".1.", "The address was not accepted. Check its spelling."},
      {".2.", "The mailbox did not take the message."},
      {".3.", "The receiving system has a problem of its own."},
      {".4.", "The receiving system could not be reached."},
      {".5.", "The two mail systems did not understand each other. Their administrators have to look at it."},
      {".6.", "The receiving system did not like the content of the message."},
      {".7.",
       "The receiving system refused the message for a rule of its own. Only its administrators can tell "
       "why."},
  };
  const std::string_view detail = status.substr(std::min<std::size_t>(1, status.size()));
  for (const Words& words : kWords) {
    if (detail == words.ends || status == words.ends) return words.text;
  }
  for (const Words& words : kSubjects) {
    if (detail.starts_with(words.ends)) return words.text;
  }
  return "The receiving system did not take the message.";
}

std::string build_report(const Report& report, std::string_view original) {
  // '=' and '_' together cannot occur in quoted-printable, and the id in no other message.
  const std::string boundary = "=_report_" + to_string(report.original);
  std::string out;
  out.reserve(2048 + (report.what == Return::Full ? original.size() : 4096));
  append_field(out, "Date", mail::format_date(report.now));
  append_field(out, "From", "Mail Delivery System <" + report.from + ">");
  append_field(out, "To", "<" + report.sender + ">");
  append_field(out, "Subject", wording_of(report).subject);
  append_field(out, "Message-ID", report.message_id);
  append_field(out, "Auto-Submitted", "auto-replied");  // RFC 3834 §5.2: never auto-generated on a report
  append_field(out, "MIME-Version", "1.0");
  if (international(report)) append_field(out, "Content-Transfer-Encoding", "8bit");  // RFC 2045 §6.4
  out += "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"" + boundary +
         "\"\r\n\r\n";
  out += "This is a delivery report in MIME format.\r\n";
  const std::string separator = "\r\n--" + boundary + "\r\n";
  out += separator;
  append_human_part(out, report);
  out += separator;
  append_status_part(out, report);
  out += separator;
  append_original_part(out, report, original);
  out += "\r\n--" + boundary + "--\r\n";
  return out;
}

}  // namespace postern::delivery
