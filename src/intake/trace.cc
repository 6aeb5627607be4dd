#include "intake/trace.h"

#include "mail/date.h"

namespace postern::intake {

std::string received_field(const SubmissionFacts& facts, QueueId id, const std::string& hostname,
                           TimePoint now) {
  const bool utf8 = facts.envelope.params.smtputf8;
  std::string out =
      "Received: from " + facts.helo + " (" + facts.client.literal() + ")\r\n\tby " + hostname + " with ";
  // Authenticated over TLS is the only way in.
  out += !facts.esmtp ? "SMTP" : utf8 ? "UTF8SMTPSA" : "ESMTPSA";
  out += " id " + to_string(id);
  if (!facts.tls_cipher.empty()) {
    out += "\r\n\ttls " + facts.tls_cipher;
    if (!facts.tls_group.empty()) out += " group " + facts.tls_group;
  }
  // RFC 6710 §4.1 item 2.
  if (const auto& priority = facts.envelope.params.handling.priority)
    out += "\r\n\tPRIORITY " + std::to_string(*priority);
  if (facts.envelope.recipients.size() == 1)
    out += "\r\n\tfor <" + facts.envelope.recipients[0].address + ">";
  return out + "; " + mail::format_date(now) + "\r\n";
}

}  // namespace postern::intake
