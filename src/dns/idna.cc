#include "dns/idna.h"

#include <idn2.h>

#include <algorithm>
#include <memory>

namespace postern::dns {

namespace {

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

/// ASCII that a name with U-labels may have: libidn2 would drop the rest without a word, and make another
/// name of it.
bool may_stand_beside_u_labels(char c) {
  return !is_ascii(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         c == '-' || c == '.' || c == '_';
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
  if (!std::ranges::all_of(name, may_stand_beside_u_labels))
    return fail(Errc::Malformed, "not a domain name");
  char* converted = nullptr;
  const int status = idn2_to_ascii_8z(name.c_str(), &converted, IDN2_NONTRANSITIONAL);
  const std::unique_ptr<char, void (*)(void*)> owned(converted, idn2_free);
  if (status != IDN2_OK)
    return fail(Errc::Malformed, std::string("not a domain name: ") + idn2_strerror(status));
  return std::string(converted);
}

}  // namespace postern::dns
