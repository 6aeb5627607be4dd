#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postern::smtp {

/// Finds the end of the data and undoes dot-stuffing (RFC 5321 §4.5.2), however the network cut the stream.
///
/// Only CRLF "." CRLF ends the data. A bare CR or LF never does, and is remembered: such a message must be
/// refused (§2.3.8; SMTP smuggling, CVE-2023-51764 and its kin).
class DotDecoder {
 public:
  /// Decodes from `wire`, appending to `out`. Returns how many octets were used: all of them unless
  /// finished().
  std::size_t feed(std::string_view wire, std::string& out);
  [[nodiscard]] bool finished() const { return state_ == State::Finished; }
  /// The data held a CR or LF that was not part of CRLF.
  [[nodiscard]] bool saw_bare_line_end() const { return bare_; }
  /// The longest line so far, without CRLF and stuffing, in octets.
  [[nodiscard]] std::size_t longest_line() const { return longest_; }

 private:
  enum class State { LineStart, Text, Cr, Dot, DotCr, Finished };
  std::size_t copy_lines(std::string_view wire, std::size_t at, std::size_t& lf, std::string& out);
  void step(char c, std::string& out);
  void text(char c, std::string& out);
  State state_ = State::LineStart;
  bool bare_ = false;
  std::size_t line_ = 0;
  std::size_t longest_ = 0;
};

/// Stuffs leading dots and ends the data. Input has CRLF line ends only; a missing last CRLF is added, and no
/// other octet (RFC 5321 §4.1.1.4).
class DotEncoder {
 public:
  void feed(std::string_view text, std::string& wire);
  void finish(std::string& wire);

 private:
  bool line_start_ = true;
};

}  // namespace postern::smtp
