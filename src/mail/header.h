#pragma once

#include "base/result.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::mail {

/// One field of a header section, as it came.
struct HeaderField {
  std::string raw;  ///< name, colon, body with its folding, and the last CRLF
  std::size_t name_length = 0;
  [[nodiscard]] std::string_view name() const { return std::string_view(raw).substr(0, name_length); }
  /// Without folding, and without white space at both ends (RFC 5322 §2.2.3).
  [[nodiscard]] std::string value() const;
};

/// The header section of a message. What is not touched keeps every octet and its place.
class Header {
 public:
  /// `octets`: the section without the empty line; CRLF line ends. Error: Malformed when a line is neither a
  /// field nor the continuation of one, or holds a bare CR or LF, naming its number.
  [[nodiscard]] static Result<Header> parse(std::string_view octets);

  [[nodiscard]] const std::vector<HeaderField>& fields() const { return fields_; }
  /// Names compare without regard to case.
  [[nodiscard]] const HeaderField* find(std::string_view name) const;
  [[nodiscard]] std::size_t count(std::string_view name) const;
  std::size_t erase(std::string_view name);
  /// Erases the fields for which `predicate(field)` holds.
  template <class Predicate>
  std::size_t erase_if(Predicate predicate) {
    return std::erase_if(fields_, predicate);
  }
  /// `raw` of these three ends with CRLF.
  /// In the place of the first field of that name; others of the name go. Without one: at the end.
  void replace(std::string_view name, std::string raw);
  void prepend(std::string raw);
  void append(std::string raw);

  [[nodiscard]] std::string octets() const;

 private:
  std::vector<HeaderField> fields_;
};

[[nodiscard]] bool same_name(std::string_view a, std::string_view b);

/// `value` with each comment of RFC 5322 §3.2.2 replaced by a space, but not inside quoted strings. Nothing
/// when a comment has no end.
[[nodiscard]] std::optional<std::string> without_comments(std::string_view value);

}  // namespace postern::mail
