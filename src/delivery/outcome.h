#pragma once

#include "smtp/reply.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::delivery {

/// What becomes of one recipient after one attempt.
enum class Decision : std::uint8_t {
  Done,       ///< the next hop took responsibility
  Retry,      ///< not now: try again by the schedule
  Failed,     ///< never: report to the sender
  Postponed,  ///< not tried: its site has enough to do; due again after `Outcome::wait`
  Held,       ///< not tried: a route says that an operator decides
};
[[nodiscard]] const char* to_string(Decision decision);

/// The command a reply answers; some codes mean something else after some commands.
enum class Stage : std::uint8_t { Banner, Hello, StartTls, Auth, Mail, Rcpt, Data, FinalDot };
[[nodiscard]] const char* to_string(Stage stage);

/// One recipient's result, with the words that explain it in the report, the history and the log.
struct Outcome {
  Decision decision = Decision::Retry;
  std::string status;   ///< "d.d.d", its first digit in accord with the decision (RFC 3464 §2.3.4)
  std::string text;     ///< one line: "550 5.1.1 no such user", or our own reason
  bool remote = false;  ///< `text` is a reply of the next hop
  bool site = false;    ///< it is about us and that site, so others that wait for it are concerned as well
  std::chrono::milliseconds wait{0};  ///< with Retry: not before that; with Postponed: then
  std::string rule = {};              ///< which rule decided, when it was not the code alone
};

/// What `reply` to the command at `stage` means. Only the code decides, never the text (RFC 5321 §4.2); a
/// code nobody knows counts by its first digit. Exceptions, each with its reason:
/// - Rcpt 552 is "too many recipients" said the old way: retry (RFC 5321 §4.5.3.1.10).
/// - Auth and Hello failures are about us, not about this mail: retry, the operator can repair it.
/// - 421 anywhere, 4.3.x, and 4.7.x to MAIL are said to us and not about this mail: Outcome::site.
/// - A 2xx where 354 belongs, or a 3xx where it does not, is a broken server: retry.
[[nodiscard]] Outcome classify(const smtp::Reply& reply, Stage stage);

/// A reason of our own: no answer, no route, no extension. `status` is "d.d.d".
[[nodiscard]] Outcome local_outcome(Decision decision, std::string_view status, std::string text);

/// "Send the rest in another transaction": 452 or 552 to RCPT after others were accepted (RFC 5321
/// §4.5.3.1.10).
[[nodiscard]] bool too_many_recipients(const smtp::Reply& reply);

/// A stranger's text without control characters, at most `longest` octets of it.
[[nodiscard]] std::string harmless(std::string_view text, std::size_t longest);

/// Whether a status says that there is no such mailbox or domain: what a bought list runs into. Neither a refusal of the
/// sender (5.1.7, 5.1.8) nor of the content.
[[nodiscard]] bool says_unknown(std::string_view status);

/// The reply as one line, bounded, without control characters.
[[nodiscard]] std::string one_line(const smtp::Reply& reply);

}  // namespace postern::delivery
