#include "sasl/login.h"

#include <utility>

namespace postern::sasl {
namespace {
constexpr std::size_t kMaxField = 255;
}

Step Login::on_response(std::string_view response) {
  if (response.empty() || response.size() > kMaxField || response.find('\0') != std::string_view::npos)
    return Failed{};
  if (!user_) {
    user_ = response;
    return Challenge{"Password:"};
  }
  return Claim{PasswordClaim{{}, *std::exchange(user_, std::nullopt), std::string(response)}};
}

}  // namespace postern::sasl
