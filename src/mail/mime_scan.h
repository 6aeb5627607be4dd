#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace postern::mail {

/// How deep the parts of a message nest (RFC 2046 §5.1), found while its body passes in pieces.
///
/// Limits   one boundary of at most 70 octets per level, the start of one line, one Content-Type field of at most
///          4 KiB. Beyond `most` levels nothing is looked at any more.
class MimeScan {
 public:
  /// `content_type`: the value of the message's own field; "" when it has none.
  MimeScan(std::string_view content_type, std::size_t most);
  void feed(std::string_view body);
  /// Multiparts and messages that stand in each other, 0 for a message without parts.
  [[nodiscard]] std::size_t deepest() const { return deepest_; }

 private:
  enum class At { PartHeader, Body };
  void on_line(std::string_view line);
  [[nodiscard]] bool on_delimiter(std::string_view line);
  void on_header_line(std::string_view line);
  void enter(std::string_view content_type);

  const std::size_t most_;
  std::vector<std::string>
      boundaries_;  // of the open multiparts, outermost first; "" stands for a message/rfc822
  std::size_t deepest_ = 0;
  At at_ = At::Body;
  std::string line_;          // the start of a line that is not at its end yet
  std::string content_type_;  // of the part whose header is being read
  bool in_content_type_ = false;
};

}  // namespace postern::mail
