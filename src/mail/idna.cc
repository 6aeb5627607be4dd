#include "mail/idna.h"

#include <idn2.h>
#include <uninorm.h>
#include <unistr.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace postern::mail {

namespace {

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

/// ASCII that a name with U-labels may have: libidn2 would drop the rest without a word, and make another
/// name of it.
bool may_stand_beside_u_labels(char c) {
  return !is_ascii(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         c == '-' || c == '.' || c == '_';
}

/// Whether UTS #46 §4 would drop a code point of `name` as if it were not there: soft hyphen, zero-width space, joiners and
/// marks, variation selectors. A name with one looks like another, and is no name that anybody registered.
bool hides_something(std::string_view name) {
  for (const std::string_view hidden :
       {"\xC2\xAD", "\xCD\x8F", "\xE2\x80\x8B", "\xE2\x81\xA0", "\xE2\x81\xA4", "\xEF\xBB\xBF"}) {
    if (name.find(hidden) != std::string_view::npos) return true;
  }
  for (const auto& [start, least] :
       {std::pair{std::string_view("\xE1\xA0"), '\x8B'}, {std::string_view("\xEF\xB8"), '\x80'}}) {
    for (std::size_t at = name.find(start); at != std::string_view::npos; at = name.find(start, at + 1)) {
      if (at + 2 < name.size() && name[at + 2] >= least && name[at + 2] <= '\x8F') return true;
    }
  }
  return false;
}

}  // namespace

Result<std::string> to_ascii(std::string_view domain) {
  std::string name(domain);
  if (std::ranges::all_of(name, is_ascii)) {
    for (char& c : name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return name;
  }
  if (!std::ranges::all_of(name, may_stand_beside_u_labels) || hides_something(name))
    return fail(Errc::Malformed, "not a domain name");
  char* converted = nullptr;
  const int status = idn2_to_ascii_8z(name.c_str(), &converted, IDN2_NONTRANSITIONAL);
  const std::unique_ptr<char, void (*)(void*)> owned(converted, idn2_free);
  if (status != IDN2_OK)
    return fail(Errc::Malformed, std::string("not a domain name: ") + idn2_strerror(status));
  return std::string(converted);
}

std::string to_nfc(std::string_view text) {
  if (std::ranges::all_of(text, is_ascii)) return std::string(text);
  const auto* octets = reinterpret_cast<const std::uint8_t*>(text.data());
  if (u8_check(octets, text.size()) != nullptr) return std::string(text);
  std::size_t length = 0;
  const std::unique_ptr<std::uint8_t, void (*)(void*)> composed(
      u8_normalize(UNINORM_NFC, octets, text.size(), nullptr, &length), std::free);
  if (!composed) return std::string(text);
  return {reinterpret_cast<const char*>(composed.get()), length};
}

}  // namespace postern::mail
