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

std::size_t DotDecoder::feed(std::string_view wire, std::string& out) {
  std::size_t i = 0;
  while (i < wire.size() && state_ != State::Finished) {
    if (state_ == State::Text) {
      // Most octets are neither CR nor LF: copy them in one go.
      const std::size_t end = std::min(wire.find_first_of("\r\n", i), wire.size());
      out.append(wire, i, end - i);
      line_ += end - i;
      i = end;
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
