#pragma once

#include <cstdint>
#include <string>

namespace postern::smtp {

/// class.subject.detail of RFC 3463; class 0 means that there is none.
struct EnhancedCode {
  std::uint16_t klass = 0;
  std::uint16_t subject = 0;
  std::uint16_t detail = 0;
  friend constexpr bool operator==(EnhancedCode, EnhancedCode) = default;
};

/// "5.7.1", or "" when there is none.
[[nodiscard]] inline std::string to_string(EnhancedCode code) {
  if (code.klass == 0) return {};
  return std::to_string(code.klass) + '.' + std::to_string(code.subject) + '.' + std::to_string(code.detail);
}

}  // namespace postern::smtp
