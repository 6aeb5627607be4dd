#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace postern::probe {

/// What a port of the mail world is for.
struct MailPort {
  std::uint16_t number;
  std::string_view service;  ///< as in IANA's registry, or its usual name
  std::string_view use;
  std::string_view encryption;
  std::string_view exposure;  ///< who should open it, and to whom
  std::string_view reference;
};

/// Sorted by number.
[[nodiscard]] std::span<const MailPort> mail_ports();
/// nullptr: no port of mail.
[[nodiscard]] const MailPort* find_mail_port(std::uint16_t number);

}  // namespace postern::probe
