#include "smtp/params.h"

#include "smtp/address_grammar.h"
#include "smtp/ascii.h"
#include "smtp/xtext.h"

#include <algorithm>
#include <charconv>

namespace postern::smtp {
namespace {

constexpr std::size_t kMaxSizeDigits = 20;  // RFC 1870 §4
constexpr std::size_t kMaxEnvid = 100;      // RFC 3461 §4.4
constexpr std::size_t kMaxOrcpt = 500;      // RFC 3461 §4.2

Error bad(std::string_view keyword) { return fail(Errc::Malformed, "bad value for " + std::string(keyword)); }

/// Which parameters were seen, so that a second one of a kind is refused (RFC 5321 §4.1.1.11).
class Once {
 public:
  [[nodiscard]] Result<> see(std::string_view keyword) {
    std::string name = to_upper(keyword);
    if (std::find(seen_.begin(), seen_.end(), name) != seen_.end()) {
      return fail(Errc::Malformed, name + " given twice");
    }
    seen_.push_back(std::move(name));
    return {};
  }

 private:
  std::vector<std::string> seen_;
};

Result<std::uint64_t> parse_size(std::string_view value) {
  std::uint64_t size = 0;
  if (value.empty() || value.size() > kMaxSizeDigits) return bad("SIZE");
  if (!std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return bad("SIZE");
  // Twenty digits can exceed 64 bits: such a message is too big under any limit, not malformed.
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), size);
  return error == std::errc::result_out_of_range ? UINT64_MAX : size;
}

Result<Notify> parse_notify(std::string_view value) {
  Notify notify;
  while (true) {
    const std::size_t comma = value.find(',');
    const std::string_view word = value.substr(0, comma);
    std::uint8_t bit = 0;
    if (iequals(word, "NEVER")) bit = Notify::kNever;
    if (iequals(word, "SUCCESS")) bit = Notify::kSuccess;
    if (iequals(word, "FAILURE")) bit = Notify::kFailure;
    if (iequals(word, "DELAY")) bit = Notify::kDelay;
    if (bit == 0 || (notify.bits & bit) != 0) return bad("NOTIFY");
    notify.bits = static_cast<std::uint8_t>(notify.bits | bit);
    if (comma == std::string_view::npos) break;
    value.remove_prefix(comma + 1);
  }
  if ((notify.bits & Notify::kNever) != 0 && notify.bits != Notify::kNever) return bad("NOTIFY");
  return notify;
}

/// original-recipient-address = addr-type ";" xtext ; RFC 3461 §4.2. Type utf-8 (RFC 6533 §3) may hold raw
/// UTF-8.
Result<> check_orcpt(std::string_view value) {
  const std::size_t semicolon = value.find(';');
  if (semicolon == std::string_view::npos || semicolon == 0 || semicolon + 1 == value.size() ||
      value.size() > kMaxOrcpt) {
    return bad("ORCPT");
  }
  const std::string_view type = value.substr(0, semicolon);
  const auto is_atom = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  };
  if (!std::all_of(type.begin(), type.end(), is_atom)) return bad("ORCPT");
  const std::string_view address = value.substr(semicolon + 1);
  if (iequals(type, "utf-8")) {
    const bool clean = std::none_of(address.begin(), address.end(),
                                    [](char c) { return (c >= 0 && c <= ' ') || c == 0x7F; });
    return clean && valid_utf8(address) ? Result<>{} : Result<>(bad("ORCPT"));
  }
  if (!xtext_decode(address)) return bad("ORCPT");
  return {};
}

Result<> apply(MailParams& params, std::string_view keyword, std::optional<std::string_view> value) {
  if (iequals(keyword, "SIZE")) {
    if (!value) return bad("SIZE");
    POSTERN_TRY(params.size, parse_size(*value));
    return {};
  }
  if (iequals(keyword, "BODY")) {
    if (value && iequals(*value, "7BIT")) params.body = Body::SevenBit;
    if (value && iequals(*value, "8BITMIME")) params.body = Body::EightBitMime;
    if (value && iequals(*value, "BINARYMIME")) params.body = Body::BinaryMime;
    return params.body == Body::Unspecified ? Result<>(bad("BODY")) : Result<>{};
  }
  if (iequals(keyword, "SMTPUTF8")) {
    if (value) return bad("SMTPUTF8");
    params.smtputf8 = true;
    return {};
  }
  if (iequals(keyword, "RET")) {
    if (value && iequals(*value, "FULL")) params.ret = Ret::Full;
    if (value && iequals(*value, "HDRS")) params.ret = Ret::Headers;
    return params.ret == Ret::Unspecified ? Result<>(bad("RET")) : Result<>{};
  }
  if (iequals(keyword, "ENVID")) {
    if (!value || value->empty() || value->size() > kMaxEnvid || !xtext_decode(*value)) return bad("ENVID");
    params.envid = *value;
    return {};
  }
  if (iequals(keyword, "AUTH")) {
    if (!value) return bad("AUTH");
    const Result<std::string> decoded = xtext_decode(*value);
    if (!decoded) return bad("AUTH");
    const bool null = *decoded == "<>";
    if (!null && !parse_mailbox(*decoded)) return bad("AUTH");
    params.auth = null ? "" : *decoded;
    return {};
  }
  POSTERN_TRY(const bool known, apply_handling(params.handling, keyword, value));
  return known ? Result<>{} : Result<>(fail(Errc::NotFound, "unknown parameter"));
}

}  // namespace

std::string to_string(Notify notify) {
  std::string out;
  const auto add = [&](std::uint8_t bit, const char* word) {
    if ((notify.bits & bit) == 0) return;
    if (!out.empty()) out += ',';
    out += word;
  };
  add(Notify::kNever, "NEVER");
  add(Notify::kSuccess, "SUCCESS");
  add(Notify::kFailure, "FAILURE");
  add(Notify::kDelay, "DELAY");
  return out;
}

Result<MailParams> parse_mail_params(const ParamList& list) {
  MailParams params;
  Once once;
  for (const auto& [keyword, value] : list) {
    POSTERN_CHECK(once.see(keyword));
    POSTERN_CHECK(apply(params, keyword, value));
  }
  return params;
}

Result<RcptParams> parse_rcpt_params(const ParamList& list) {
  RcptParams params;
  Once once;
  for (const auto& [keyword, value] : list) {
    POSTERN_CHECK(once.see(keyword));
    if (iequals(keyword, "NOTIFY")) {
      POSTERN_TRY(params.notify, parse_notify(value.value_or("")));
    } else if (iequals(keyword, "ORCPT")) {
      POSTERN_CHECK(check_orcpt(value.value_or("")));
      params.orcpt = *value;
    } else {
      return fail(Errc::NotFound, "unknown parameter");
    }
  }
  return params;
}

}  // namespace postern::smtp
