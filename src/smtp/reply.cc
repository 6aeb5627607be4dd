#include "smtp/reply.h"

namespace postern::smtp {

std::string Reply::wire() const {
  const std::string number = std::to_string(code);
  const std::string status = to_string(enhanced);
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    out += number;
    out += i + 1 < lines.size() ? '-' : ' ';
    if (!status.empty()) {
      out += status;
      out += ' ';
    }
    out += lines[i];
    out += "\r\n";
  }
  return out;
}

}  // namespace postern::smtp
