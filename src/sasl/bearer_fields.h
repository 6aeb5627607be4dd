#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postern::sasl {

/// The key/value pairs that OAUTHBEARER and XOAUTH2 share: *(key "=" value ^A) ^A (RFC 7628 §3.1).
struct BearerFields {
  std::string user;   ///< user=
  std::string token;  ///< auth=Bearer TOKEN; empty when there is none, or one of another type
};
/// Nothing when the text breaks the grammar; unknown keys are skipped, as the RFC asks.
[[nodiscard]] std::optional<BearerFields> parse_bearer_fields(std::string_view text);

/// `text` for the inside of a JSON string; what would need an escape is left out.
[[nodiscard]] std::string json_safe(std::string_view text);

}  // namespace postern::sasl
