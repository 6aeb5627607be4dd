#include "intake/fixups.h"

#include "mail/date.h"
#include "mail/message_id.h"

namespace postern::intake {

void fix_date(mail::Header& header, TimePoint now) {
  const mail::HeaderField* date = header.find("Date");
  if (date != nullptr && mail::valid_date(date->value())) return;
  header.erase("Date");
  header.append("Date: " + mail::format_date(now) + "\r\n");
}

void fix_message_id(mail::Header& header, QueueId id, const std::string& hostname) {
  const mail::HeaderField* found = header.find("Message-ID");
  if (found != nullptr && mail::valid_message_id(found->value())) return;
  header.erase("Message-ID");
  header.append("Message-ID: " + mail::make_message_id(id, hostname) + "\r\n");
}

void remove_private_fields(mail::Header& header, const std::string& hostname) {
  header.erase("Bcc");
  header.erase("Return-Path");
  header.erase_if([&hostname](const mail::HeaderField& field) {
    if (!mail::same_name(field.name(), "Authentication-Results")) return false;
    const std::string value = field.value();
    return mail::same_name(value.substr(0, value.find_first_of("; \t")), hostname);
  });
}

}  // namespace postern::intake
