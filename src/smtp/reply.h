#pragma once

#include "base/result.h"
#include "smtp/enhanced.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::smtp {

/// An SMTP reply (RFC 5321 §4.2). `lines` hold the text without code and without enhanced code.
struct Reply {
  int code = 0;
  EnhancedCode enhanced;
  std::vector<std::string> lines;

  /// As sent: the code on each line, the enhanced code on each line of a 2xx, 4xx or 5xx (RFC 2034 §4), CRLF.
  [[nodiscard]] std::string wire() const;
  friend bool operator==(const Reply&, const Reply&) = default;
};

/// Puts the lines of another server's reply together.
///
/// Strict where it matters (three digits, first 2 to 5, one code for all lines) and lenient where RFC 5321
/// §4.2 is (a missing space after the code).
/// Limits   kMaxLines lines; a line's length is bounded by whoever reads it.
class ReplyParser {
 public:
  static constexpr std::size_t kMaxLines = 128;

  /// `line` without CRLF. Yields the reply when it is complete. Error: Malformed; the parser starts afresh.
  [[nodiscard]] Result<std::optional<Reply>> feed(std::string_view line);
  void reset() { reply_ = {}; }

 private:
  Reply reply_;
};

}  // namespace postern::smtp
