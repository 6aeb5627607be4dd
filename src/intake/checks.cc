#include "intake/checks.h"

#include "mail/address.h"
#include "smtp/address_grammar.h"

#include <algorithm>
#include <array>
#include <string>

namespace postern::intake {

std::optional<Refusal> check_field_counts(const mail::Header& header) {
  if (header.count("From") == 0) return Refusal{Refusal::Why::BadContent, "the message has no From field"};
  static constexpr std::array<const char*, 10> kOnce{
      "From", "Date", "Sender", "Reply-To", "To", "Cc", "Message-ID", "In-Reply-To", "References", "Subject"};
  for (const char* name : kOnce) {
    if (header.count(name) > 1)
      return Refusal{Refusal::Why::BadContent,
                     std::string("the message has more than one ") + name + " field"};
  }
  return std::nullopt;
}

namespace {

Refusal bad(std::string detail) { return {Refusal::Why::BadContent, std::move(detail)}; }

bool is_eight_bit(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

/// At least two labels, or an address literal.
bool fully_qualified(std::string_view domain) {
  return domain.starts_with('[') || (domain.find('.') != std::string_view::npos && !domain.ends_with('.'));
}

}  // namespace

std::optional<Refusal> check_octets(const mail::Header& header, HeaderOctets allowed) {
  for (const mail::HeaderField& field : header.fields()) {
    const std::string where = "the " + std::string(field.name()) + " field";
    if (field.raw.find('\0') != std::string::npos) return bad(where + " holds a NUL");
    if (!is_eight_bit(field.raw)) continue;
    if (allowed.smtputf8 && !smtp::valid_utf8(field.raw))
      return bad(where + " is not valid UTF-8 (RFC 6532)");
    if (!allowed.smtputf8 && !allowed.eight_bit) {
      return bad(where + " holds non-ASCII octets: encode them (RFC 2047), or send with SMTPUTF8 (RFC 6531)");
    }
  }
  return std::nullopt;
}

std::optional<Refusal> check_addresses(const mail::Header& header) {
  static constexpr std::array<const char*, 6> kFields{"From", "Sender", "Reply-To", "To", "Cc", "Bcc"};
  for (const char* name : kFields) {
    const mail::HeaderField* field = header.find(name);
    if (field == nullptr) continue;
    const Result<std::vector<mail::Mailbox>> boxes = mail::parse_address_list(field->value());
    if (!boxes)
      return bad("the " + std::string(name) + " field holds no valid address list: " + boxes.error().detail);
    for (const mail::Mailbox& box : *boxes) {
      if (fully_qualified(box.domain)) continue;
      return bad("the domain of " + box.text() + " in the " + name + " field is not fully qualified");
    }
  }
  return std::nullopt;
}

std::optional<Refusal> check_hops(const mail::Header& header, std::size_t most) {
  if (header.count("Received") <= most) return std::nullopt;
  return Refusal{Refusal::Why::TooManyHops,
                 "more than " + std::to_string(most) + " Received fields: a mail loop"};
}

}  // namespace postern::intake
