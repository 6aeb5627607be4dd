#pragma once

#include "base/result.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace postern::smtp {

/// A mailbox of the envelope (RFC 5321 §4.1.2), both parts exactly as written.
struct Mailbox {
  std::string local;   ///< dot-string or quoted-string
  std::string domain;  ///< domain or address literal; empty only for <postmaster>
  [[nodiscard]] std::string text() const { return domain.empty() ? local : local + "@" + domain; }
  /// The local part without quoting: `"bob"` and `bob` are equal (RFC 5321 §4.1.2).
  [[nodiscard]] std::string unquoted_local() const;
  [[nodiscard]] bool has_non_ascii() const;
  /// The domain has at least two labels, or is an address literal (RFC 6409 §4.2).
  [[nodiscard]] bool fully_qualified() const;
  friend bool operator==(const Mailbox&, const Mailbox&) = default;
};

constexpr std::size_t kMaxLocalPart = 64;  // RFC 5321 §4.5.3.1.1
constexpr std::size_t kMaxDomain = 255;    // §4.5.3.1.2
constexpr std::size_t kMaxPath = 256;      // §4.5.3.1.3, angle brackets included

// Errors of all below: Malformed. UTF-8 is accepted wherever RFC 6531 §3.3 extends the grammar; whether the
// client was allowed to use it is the session's question.

/// Mailbox = Local-part "@" ( Domain / address-literal )
[[nodiscard]] Result<Mailbox> parse_mailbox(std::string_view text);

/// A path at the head of `rest`, which is moved behind it. `<>` yields an empty local part; `<postmaster>`,
/// in any case, one without domain. A source route is read and dropped (§4.1.1.3, appendix F.2).
[[nodiscard]] Result<Mailbox> take_path(std::string_view& rest);

/// Domain / address-literal, as EHLO's argument or a mailbox's host.
[[nodiscard]] bool valid_host(std::string_view text);

[[nodiscard]] bool valid_utf8(std::string_view text);

}  // namespace postern::smtp
