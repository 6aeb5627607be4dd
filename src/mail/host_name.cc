#include "mail/host_name.h"

#include <algorithm>

namespace postern::mail {

Result<> check_labels(std::string_view text) {
  const auto wrong = [](const char* why) { return fail(Errc::Malformed, why); };
  constexpr std::size_t kLongestName = 253;
  constexpr std::size_t kLongestLabel = 63;
  if (text.size() > kLongestName) return wrong("it is longer than 253 characters");
  std::size_t label = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : '.';
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (c == '.') {
      if (label == 0) return wrong("it has an empty part");
      if (label > kLongestLabel) return wrong("a part of it is longer than 63 characters");
      if (text[i - 1] == '-') return wrong("a part of it ends with a hyphen");
      label = 0;
    } else if (word || (c == '-' && label > 0)) {
      ++label;
    } else {
      return wrong("only letters, digits and hyphens make a host name (write others as xn--...)");
    }
  }
  return {};
}

Result<> check_host_name(std::string_view text) {
  if (text.find('.') == std::string_view::npos)
    return fail(Errc::Malformed, "it needs a dot, such as in mail.example.org");
  POSTERN_CHECK(check_labels(text));
  // A name whose last part is a number would be read as an IPv4 address (RFC 1123 §2.1).
  const std::string_view last = text.substr(text.rfind('.') + 1);
  const bool number = std::all_of(last.begin(), last.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (number) return fail(Errc::Malformed, "it must be a name, not an address");
  return {};
}

}  // namespace postern::mail
