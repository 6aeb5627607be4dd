#pragma once

#include "base/result.h"
#include "smtp/address_grammar.h"
#include "smtp/params.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace postern::smtp {

enum class Verb {
  Ehlo,
  Helo,
  StartTls,
  Auth,
  Mail,
  Rcpt,
  Data,
  Rset,
  Noop,
  Quit,
  Vrfy,
  Expn,
  Help,
  Etrn,
  Bdat,
  Unknown
};
[[nodiscard]] const char* to_string(Verb verb);

struct Ehlo {
  std::string domain;
};
struct Helo {
  std::string domain;
};
struct StartTls {};
struct Auth {
  std::string mechanism;                        ///< upper case
  std::optional<std::string> initial_response;  ///< base64 as sent; "=" is present and empty (RFC 4954 §4)
};
struct MailFrom {
  Mailbox reverse_path;  ///< empty local part: <>
  MailParams params;
};
struct RcptTo {
  Mailbox forward_path;  ///< empty domain: <postmaster>
  RcptParams params;
};
struct Data {};
struct Bdat {
  std::uint64_t size = 0;  ///< octets that follow the line; what does not fit 64 bits is UINT64_MAX
  bool last = false;
};
struct Rset {};
struct Noop {};
struct Quit {};
struct Vrfy {
  std::string argument;
};
struct Help {};
/// A verb that exists and that we do not offer: EXPN, ETRN (502).
struct NotOffered {};

using Command = std::variant<Ehlo, Helo, StartTls, Auth, MailFrom, RcptTo, Data, Bdat, Rset, Noop, Quit, Vrfy,
                             Help, NotOffered>;

/// A parsed line. `verb` is known even when the arguments are bad, so that order is checked before syntax.
struct ParsedCommand {
  Verb verb = Verb::Unknown;
  /// Errors. Malformed: syntax of the arguments (501). NotFound: unknown parameter (555).
  /// Denied: the verb itself is unknown (500).
  Result<Command> command = Error{Errc::Denied, "unknown command"};
  /// MAIL, RCPT: Malformed because of the address, and not of what follows it.
  bool bad_path = false;
};

/// `line` without CRLF (RFC 5321 §4.1.1). Trailing white space is tolerated; a bare CR, LF or NUL is
/// Malformed.
[[nodiscard]] ParsedCommand parse_command(std::string_view line);

}  // namespace postern::smtp
