#include "intake/checks.h"

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

std::optional<Refusal> check_hops(const mail::Header& header, std::size_t most) {
  if (header.count("Received") <= most) return std::nullopt;
  return Refusal{Refusal::Why::TooManyHops,
                 "more than " + std::to_string(most) + " Received fields: a mail loop"};
}

}  // namespace postern::intake
