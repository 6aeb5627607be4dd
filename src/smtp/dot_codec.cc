#include "smtp/dot_codec.h"

#include <algorithm>

namespace postern::smtp {

void DotDecoder::text(char c, std::string& out) {
  out += c;
  ++line_;
  state_ = State::Text;
}

void DotDecoder::step(char c, std::string& out) {
  if (state_ == State::DotCr) {
    if (c == '\n') {
      state_ = State::Finished;
      return;
    }
    // ".\r" and something else: the dot was stuffing and the CR stands alone.
    bare_ = true;
    out += '\r';
    ++line_;
    state_ = State::Text;
  }
  if (state_ == State::Cr) {
    if (c == '\n') {
      out += "\r\n";
      longest_ = std::max(longest_, line_);
      line_ = 0;
      state_ = State::LineStart;
      return;
    }
    bare_ = true;
    out += '\r';
    ++line_;
    state_ = State::Text;
  }
  if (c == '\r') {
    state_ = state_ == State::Dot ? State::DotCr : State::Cr;
    return;
  }
  if (state_ == State::LineStart && c == '.') {
    state_ = State::Dot;
    return;
  }
  if (c == '\n') bare_ = true;
  text(c, out);
}

/// Copies whole lines, and of the next one what stands before its CR or LF, in one go; where it stopped.
/// `lf` is the next LF at or behind `at`, or the end of `wire`; kept, so that no octet is searched twice.
std::size_t DotDecoder::copy_lines(std::string_view wire, std::size_t at, std::size_t& lf, std::string& out) {
  const std::size_t begin = at;
  while (at < wire.size() && !(state_ == State::LineStart && wire[at] == '.')) {
    if (lf < at) lf = std::min(wire.find('\n', at), wire.size());
    const std::size_t cr = at + std::min(wire.substr(at, lf - at).find('\r'), lf - at);
    line_ += cr - at;
    if (lf == wire.size() || cr + 1 != lf) {
      if (cr > at) state_ = State::Text;
      at = cr;
      break;
    }
    longest_ = std::max(longest_, line_);
    line_ = 0;
    state_ = State::LineStart;
    at = lf + 1;
  }
  out.append(wire, begin, at - begin);
  return at;
}

std::size_t DotDecoder::feed(std::string_view wire, std::string& out) {
  std::size_t i = 0;
  std::size_t lf = std::min(wire.find('\n'), wire.size());
  while (i < wire.size() && state_ != State::Finished) {
    if (state_ == State::LineStart || state_ == State::Text) {
      i = copy_lines(wire, i, lf, out);
      if (i == wire.size()) break;
    }
    step(wire[i++], out);
  }
  longest_ = std::max(longest_, line_);
  return i;
}

void DotEncoder::feed(std::string_view text, std::string& wire) {
  while (!text.empty()) {
    if (line_start_ && text.front() == '.') wire += '.';
    const std::size_t end = text.find('\n');
    const std::size_t length = end == std::string_view::npos ? text.size() : end + 1;
    wire.append(text, 0, length);
    line_start_ = end != std::string_view::npos;
    text.remove_prefix(length);
  }
}

void DotEncoder::finish(std::string& wire) {
  if (!line_start_) wire += "\r\n";
  wire += ".\r\n";
}

}  // namespace postern::smtp
