#pragma once

#include "base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace postern::mail {

/// addr-spec of RFC 5322 §3.4.1; `local` without quoting.
struct Mailbox {
  std::string local;
  std::string domain;
  /// local@domain, quoted where the grammar asks for it.
  [[nodiscard]] std::string text() const;
  /// Domains compare without case, local parts with it (RFC 5321 §2.4).
  friend bool operator==(const Mailbox& a, const Mailbox& b);
};

/// The mailboxes in the value of a From, Sender, To, Cc or Reply-To field: display names, groups, comments,
/// quoted strings, and the obsolete forms of §4.4 are understood; UTF-8 is allowed (RFC 6532 §3.2). Error:
/// Malformed. Comments nest at most 16 deep.
[[nodiscard]] Result<std::vector<Mailbox>> parse_address_list(std::string_view value);

}  // namespace postern::mail
