#include "intake/fixups.h"

#include "accounts/types.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/message_id.h"

#include <algorithm>

namespace postern::intake {

void fix_date(mail::Header& header, TimePoint now) {
  const mail::HeaderField* date = header.find("Date");
  if (date != nullptr && mail::valid_date(date->value())) return;
  header.replace("Date", "Date: " + mail::format_date(now) + "\r\n");
}

void fix_message_id(mail::Header& header, QueueId id, const std::string& hostname) {
  const mail::HeaderField* found = header.find("Message-ID");
  if (found != nullptr && mail::valid_message_id(found->value())) return;
  header.replace("Message-ID", "Message-ID: " + mail::make_message_id(id, hostname) + "\r\n");
}

void set_sender(mail::Header& header, const std::string& account) {
  const mail::HeaderField* from = header.find("From");
  if (from == nullptr) return;
  const Result<std::vector<mail::Mailbox>> authors = mail::parse_address_list(from->value());
  const bool one = authors && authors->size() == 1;
  const Result<std::string> author = accounts::normal_address(one ? authors->front().text() : "");
  const bool alone = author && *author == account;
  if (alone) {
    header.erase(
        "Sender");  // what the client said there was not looked at (RFC 5322 §3.6.2: it would say nothing new)
  } else {
    header.replace("Sender", "Sender: " + account + "\r\n");
  }
}

void remove_blind_copies(mail::Header& header) {
  header.erase("Bcc");
  header.erase("Resent-Bcc");
}

void remove_private_fields(mail::Header& header, const std::string& hostname) {
  header.erase("Return-Path");
  header.erase_if([&hostname](const mail::HeaderField& field) {
    // authserv-id, which may be quoted, and the comments before it (RFC 8601 §2.2)
    if (!mail::same_name(field.name(), "Authentication-Results")) return false;
    std::string value = mail::without_comments(field.value()).value_or(field.value());
    std::erase(value, '"');
    const std::size_t start = std::min(value.find_first_not_of(" \t"), value.size());
    const std::size_t end = std::min(value.find_first_of("; \t", start), value.size());
    return mail::same_name(std::string_view(value).substr(start, end - start), hostname);
  });
}

}  // namespace postern::intake
