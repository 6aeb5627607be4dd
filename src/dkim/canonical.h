#pragma once

#include <string>
#include <string_view>

namespace postern::dkim {

/// The relaxed form of one header field, `raw` with its folding and CRLF (RFC 6376 §3.4.2); ends with CRLF.
[[nodiscard]] std::string relaxed_field(std::string_view raw);

/// The relaxed form of a body (RFC 6376 §3.4.4), streamed: white space runs become one space, none stays at
/// the end of a line, empty lines at the end disappear. However the input is cut, the output is the same.
class RelaxedBody {
 public:
  void feed(std::string_view body, std::string& out);
  /// Adds the CRLF that a last line without one lacks.
  void finish(std::string& out);

 private:
  void line_end(std::string& out);
  void begin_text(std::string& out);
  void bare_cr(std::string& out);
  std::size_t empty_lines_ = 0;  // held back: they count only when text follows
  bool space_ = false;           // held back: it counts only when text follows on the line
  bool text_ = false;            // the line has text
  bool cr_ = false;
};

}  // namespace postern::dkim
