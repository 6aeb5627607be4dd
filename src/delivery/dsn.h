#pragma once

#include "base/clock.h"
#include "base/ids.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::delivery {

/// How much of the original comes back (RFC 3461 §4.3).
enum class Return { Headers, Full };

/// What a report tells its reader.
enum class News : std::uint8_t {
  Failed,    ///< will not be tried again
  Delayed,   ///< is still being tried
  Expanded,  ///< was sent on to the addresses behind an alias (RFC 3461 §5.2.7.3)
  Relayed,   ///< was handed to a system that reports no success (RFC 3461 §5.2.2)
};

/// One recipient group of a delivery report (RFC 3464 §2.3).
struct ReportedRecipient {
  std::string address;     ///< envelope address, case kept; UTF-8 allowed
  std::string orcpt;       ///< as received ("rfc822;a+40b"); empty: none came
  std::string status;      ///< "5.1.1"
  std::string remote_mta;  ///< host that answered; empty: nobody was asked
  std::string
      diagnostic;  ///< its reply ("550 5.1.1 no such user"), or our own reason when remote_mta is empty
  TimePoint last_attempt;
};

/// Everything a report says. A value; the caller decides whether a report is due at all.
struct Report {
  QueueId original;
  std::string reporting_mta;  ///< our host name
  std::string from;           ///< mailbox of a responsible human, e.g. postmaster@mail.example.org
  std::string sender;         ///< whom to tell: the reverse-path of the original
  std::string message_id;     ///< with angle brackets
  std::string envid;          ///< as received (xtext); empty: none came
  TimePoint arrived;
  TimePoint now;
  std::optional<TimePoint> deliver_by = {};  ///< of BY (RFC 2852 §5)
  std::string future_release = {};           ///< of HOLDFOR or HOLDUNTIL (RFC 4865 §5.1.2)
  News news = News::Failed;
  TimePoint tried_until = {};  ///< with Delayed: when it will be given up
  std::vector<ReportedRecipient> recipients;
  Return what = Return::Headers;  ///< only failures come with the whole message (RFC 3461 §6.2)
};

/// What `status` means for who wrote the mail, and what to do next: one or two sentences, ASCII.
[[nodiscard]] std::string_view plain_words(std::string_view status);

/// The report as a complete message, CRLF line ends: multipart/report with a text for humans, a
/// message/delivery-status and the original or its header (RFC 6522 §3, RFC 3464 §2). `original` is the
/// original message, or any beginning of it that holds the whole header. The result is 7bit, and an original that
/// holds 8-bit octets comes back as its header in quoted-printable, because a return path may be 7-bit; unless the
/// sender is not ASCII: then the report needs SMTPUTF8, and has the parts of RFC 6533 in UTF-8.
[[nodiscard]] std::string build_report(const Report& report, std::string_view original);

}  // namespace postern::delivery
