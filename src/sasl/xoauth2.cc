#include "sasl/xoauth2.h"

#include "sasl/bearer_fields.h"

namespace postern::sasl {

Step XOAuth2::on_response(std::string_view response) {
  const std::optional<BearerFields> fields = parse_bearer_fields(response);
  if (!fields || fields->token.empty() || fields->user.empty()) return Failed{};
  return Claim{TokenClaim{fields->user, fields->token}};
}

std::string XOAuth2::failure_data() const {
  return R"({"status":"401","schemes":"bearer","scope":")" + json_safe(scope_) + "\"}";
}

}  // namespace postern::sasl
