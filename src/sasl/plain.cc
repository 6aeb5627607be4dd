#include "sasl/plain.h"

#include <utility>

namespace postern::sasl {
namespace {
constexpr std::size_t kMaxField = 255;
}

Step Plain::on_response(std::string_view response) {
  const std::size_t first = response.find('\0');
  if (first == std::string_view::npos) return Failed{};
  const std::size_t second = response.find('\0', first + 1);
  if (second == std::string_view::npos) return Failed{};
  if (response.find('\0', second + 1) != std::string_view::npos) return Failed{};
  PasswordClaim claim{std::string(response.substr(0, first)),
                      std::string(response.substr(first + 1, second - first - 1)),
                      std::string(response.substr(second + 1))};
  if (claim.authcid.empty() || claim.password.empty()) return Failed{};
  if (claim.authzid.size() > kMaxField || claim.authcid.size() > kMaxField ||
      claim.password.size() > kMaxField)
    return Failed{};
  return Claim{std::move(claim)};
}

}  // namespace postern::sasl
