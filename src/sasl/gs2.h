#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postern::sasl {

/// gs2-header = gs2-cbind-flag "," [ "a=" saslname ] ","   ; RFC 5801 §4, RFC 5802 §7
struct Gs2Header {
  enum class Flag {
    Unsupported,     ///< n: the client has no channel binding
    NotOfferedToMe,  ///< y: it has, and thinks that the server has not
    Used,            ///< p=NAME
  };
  Flag flag = Flag::Unsupported;
  std::string binding_name;  ///< with Used
  std::string authzid;
  std::string_view text;  ///< the header itself, its last comma included; part of what was parsed
};
[[nodiscard]] std::optional<Gs2Header> parse_gs2_header(std::string_view message);

/// saslname, with "=2C" and "=3D" for comma and equals sign. Nothing when it is empty or wrongly written.
[[nodiscard]] std::optional<std::string> decode_saslname(std::string_view text);

}  // namespace postern::sasl
