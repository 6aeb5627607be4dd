#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace postern::smtp {

/// Counts the octets of one chunk (RFC 3030 §2): whatever they are, they are neither commands nor stuffed.
class ChunkReader {
 public:
  explicit ChunkReader(std::uint64_t size) : left_(size) {}
  /// What of `wire` belongs to the chunk.
  [[nodiscard]] std::string_view take(std::string_view wire) {
    const std::string_view mine =
        wire.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, wire.size())));
    left_ -= mine.size();
    return mine;
  }
  [[nodiscard]] bool finished() const { return left_ == 0; }

 private:
  std::uint64_t left_;
};

/// Looks whether content that arrives in pieces is made of lines (RFC 5321 §2.3.8), as the DotDecoder does for
/// what comes after DATA.
class LineCheck {
 public:
  void feed(std::string_view content);
  /// A CR or LF stood alone. A CR at the end of what was fed counts only when `ended`.
  [[nodiscard]] bool saw_bare_line_end(bool ended) const { return bare_ || (ended && after_cr_); }
  /// The longest line so far, without CRLF, in octets.
  [[nodiscard]] std::size_t longest_line() const { return longest_; }
  [[nodiscard]] bool saw_nul() const { return nul_; }

 private:
  bool after_cr_ = false;
  bool bare_ = false;
  bool nul_ = false;
  std::size_t line_ = 0;
  std::size_t longest_ = 0;
};

}  // namespace postern::smtp
