#include "dkim/canonical.h"

#include <algorithm>

namespace postern::dkim {
namespace {
bool is_space(char c) { return c == ' ' || c == '\t'; }
bool ends_word(char c) { return is_space(c) || c == '\r' || c == '\n'; }

/// Words from `at` on, with single spaces between them, stay as they are: where they end.
std::size_t end_of_words(std::string_view body, std::size_t at) {
  for (;;) {
    while (at < body.size() && !ends_word(body[at])) ++at;
    const bool one_space = at + 1 < body.size() && body[at] == ' ' && !ends_word(body[at + 1]);
    if (!one_space) return at;
    ++at;
  }
}
}  // namespace

std::string relaxed_field(std::string_view raw) {
  std::string out;
  const std::size_t colon = raw.find(':');
  for (const char c : raw.substr(0, colon)) {
    if (!is_space(c)) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  out += ':';
  bool space = false;
  bool text = false;
  for (const char c : colon == std::string_view::npos ? std::string_view() : raw.substr(colon + 1)) {
    if (c == '\r' || c == '\n') continue;  // unfolding: the white space behind it stays
    if (is_space(c)) {
      space = true;
      continue;
    }
    if (space && text) out += ' ';
    out += c;
    space = false;
    text = true;
  }
  out += "\r\n";
  return out;
}

void RelaxedBody::line_end(std::string& out) {
  if (text_) {
    out += "\r\n";
  } else {
    ++empty_lines_;
  }
  text_ = false;
  space_ = false;
}

void RelaxedBody::begin_text(std::string& out) {
  for (; empty_lines_ > 0; --empty_lines_) out += "\r\n";
  if (space_) out += ' ';
  space_ = false;
  text_ = true;
}

void RelaxedBody::feed(std::string_view body, std::string& out) {
  for (std::size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (cr_ && c == '\n') {
      cr_ = false;
      line_end(out);
      continue;
    }
    if (cr_) bare_cr(out);
    if (c == '\r') {
      cr_ = true;
    } else if (is_space(c)) {
      space_ = true;
    } else {
      begin_text(out);
      const std::size_t end = std::max(end_of_words(body, i), i + 1);  // a bare LF is text too
      out.append(body, i, end - i);
      i = end - 1;
    }
  }
}

void RelaxedBody::bare_cr(std::string& out) {
  cr_ = false;
  begin_text(out);
  out += '\r';
}

void RelaxedBody::finish(std::string& out) {
  if (cr_) bare_cr(out);
  if (text_) out += "\r\n";
  *this = RelaxedBody{};
}

}  // namespace postern::dkim
