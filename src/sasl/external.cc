#include "sasl/external.h"

namespace postern::sasl {
namespace {
constexpr std::size_t kMaxField = 255;
}

Step External::on_response(std::string_view response) {
  if (response.size() > kMaxField || response.find('\0') != std::string_view::npos) return Failed{};
  return Claim{CertificateClaim{std::string(response)}};
}

}  // namespace postern::sasl
