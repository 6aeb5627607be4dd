#include "smtp/bdat.h"

namespace postern::smtp {

void LineCheck::feed(std::string_view content) {
  while (!content.empty()) {
    if (after_cr_) {
      after_cr_ = false;
      if (content.front() == '\n') {
        line_ = 0;
        content.remove_prefix(1);
        continue;
      }
      bare_ = true;
      longest_ = std::max(longest_, ++line_);
    }
    // Most octets are none of these three: count them in one go.
    const std::size_t end = std::min(content.find_first_of(std::string_view("\r\n\0", 3)), content.size());
    line_ += end;
    longest_ = std::max(longest_, line_);
    content.remove_prefix(end);
    if (content.empty()) return;
    const char c = content.front();
    content.remove_prefix(1);
    if (c == '\r') {
      after_cr_ = true;
      continue;
    }
    bare_ = bare_ || c == '\n';
    nul_ = nul_ || c == '\0';
    longest_ = std::max(longest_, ++line_);
  }
}

}  // namespace postern::smtp
