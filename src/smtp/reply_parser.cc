#include "smtp/reply.h"

#include <charconv>
#include <utility>

namespace postern::smtp {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Reads 1 to 3 digits without leading zeros; RFC 3463 §2.
bool take_number(std::string_view& text, std::uint16_t& out) {
  std::size_t digits = 0;
  while (digits < text.size() && digits < 4 && is_digit(text[digits])) ++digits;
  if (digits == 0 || digits > 3 || (digits > 1 && text[0] == '0')) return false;
  std::from_chars(text.data(), text.data() + digits, out);
  text.remove_prefix(digits);
  return true;
}

bool take(std::string_view& text, char wanted) {
  if (text.empty() || text[0] != wanted) return false;
  text.remove_prefix(1);
  return true;
}

/// Moves a leading "d.d.d" out of `text` when it fits the reply's first digit.
EnhancedCode take_enhanced(std::string_view& text, int reply_code) {
  std::string_view rest = text;
  EnhancedCode code;
  const bool found = take_number(rest, code.klass) && take(rest, '.') && take_number(rest, code.subject) &&
                     take(rest, '.') && take_number(rest, code.detail) && (rest.empty() || take(rest, ' '));
  if (!found || code.klass != reply_code / 100) return {};
  text = rest;
  return code;
}

}  // namespace

Result<std::optional<Reply>> ReplyParser::feed(std::string_view line) {
  Reply reply = std::exchange(reply_, {});
  if (line.size() < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) || !is_digit(line[2])) {
    return fail(Errc::Malformed, "not an SMTP reply");
  }
  // RFC 5321 §2.3.8: it ends no line, and what stands behind it would be an answer that somebody is waiting for.
  if (line.find('\n') != std::string_view::npos) return fail(Errc::Malformed, "a bare line feed in a reply");
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  std::string_view text = line.substr(3);
  const bool last = !take(text, '-');
  if (last && !text.empty() && !take(text, ' '))
    return fail(Errc::Malformed, "no space after the reply code");
  if (reply.code != 0 && reply.code != code)
    return fail(Errc::Malformed, "the lines of a reply have different codes");
  if (reply.lines.size() == kMaxLines) return fail(Errc::Malformed, "too many lines in a reply");
  const EnhancedCode enhanced = take_enhanced(text, code);
  if (reply.code == 0) {
    reply.code = code;
    reply.enhanced = enhanced;
  }
  reply.lines.emplace_back(text);
  if (last) return std::optional<Reply>(std::move(reply));
  reply_ = std::move(reply);
  return std::optional<Reply>();
}

}  // namespace postern::smtp
