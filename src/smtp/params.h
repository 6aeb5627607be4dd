#pragma once

#include "base/result.h"
#include "smtp/handling.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::smtp {

/// BODY= of RFC 6152 and, BinaryMime, RFC 3030 §3.
enum class Body : std::uint8_t { Unspecified, SevenBit, EightBitMime, BinaryMime };
/// RET= of RFC 3461 §4.3.
enum class Ret : std::uint8_t { Unspecified, Full, Headers };

/// NOTIFY= of RFC 3461 §4.1; no bit: the parameter was absent.
struct Notify {
  static constexpr std::uint8_t kNever = 1;
  static constexpr std::uint8_t kSuccess = 2;
  static constexpr std::uint8_t kFailure = 4;
  static constexpr std::uint8_t kDelay = 8;
  std::uint8_t bits = 0;
  [[nodiscard]] constexpr bool absent() const { return bits == 0; }
  /// Whether a permanent failure is to be reported: yes when absent (RFC 3461 §5.2.6).
  [[nodiscard]] constexpr bool wants_failure() const { return absent() || (bits & kFailure) != 0; }
  friend constexpr bool operator==(Notify, Notify) = default;
};
/// "NEVER", "SUCCESS,DELAY", or "" when absent.
[[nodiscard]] std::string to_string(Notify notify);

/// What MAIL carried besides the reverse-path.
struct MailParams {
  std::optional<std::uint64_t> size;  ///< SIZE=, octets (RFC 1870)
  Body body = Body::Unspecified;
  bool smtputf8 = false;  ///< RFC 6531
  Ret ret = Ret::Unspecified;
  std::string envid;                ///< as received, xtext (RFC 3461 §4.4); empty: none
  std::optional<std::string> auth;  ///< AUTH= decoded (RFC 4954 §5); "" is <>
  Handling handling;
  friend bool operator==(const MailParams&, const MailParams&) = default;
};

/// What RCPT carried besides the forward-path.
struct RcptParams {
  Notify notify;
  std::string orcpt;  ///< as received, "type;xtext" (RFC 3461 §4.2); empty: none
  friend bool operator==(const RcptParams&, const RcptParams&) = default;
};

/// Keyword and value of each parameter; a value is absent when there was no "=".
using ParamList = std::vector<std::pair<std::string_view, std::optional<std::string_view>>>;

/// Errors of the two below. Malformed: bad value or repeated parameter (501). NotFound: unknown parameter
/// (555).
[[nodiscard]] Result<MailParams> parse_mail_params(const ParamList& list);
[[nodiscard]] Result<RcptParams> parse_rcpt_params(const ParamList& list);

}  // namespace postern::smtp
