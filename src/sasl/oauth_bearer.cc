#include "sasl/oauth_bearer.h"

#include "sasl/bearer_fields.h"
#include "sasl/gs2.h"

namespace postern::sasl {

Step OAuthBearer::on_response(std::string_view response) {
  const std::optional<Gs2Header> header = parse_gs2_header(response);
  // The mechanism has no channel binding (RFC 7628 §3.1).
  if (!header || header->flag == Gs2Header::Flag::Used) return Failed{};
  response.remove_prefix(header->text.size());
  if (!response.starts_with('\x01')) return Failed{};
  const std::optional<BearerFields> fields = parse_bearer_fields(response.substr(1));
  if (!fields || fields->token.empty()) return Failed{};
  return Claim{TokenClaim{header->authzid, fields->token}};
}

std::string OAuthBearer::failure_data() const {
  std::string json = R"({"status":"invalid_token","scope":")" + json_safe(scope_) + '"';
  if (!discovery_.empty()) json += R"(,"openid-configuration":")" + json_safe(discovery_) + '"';
  return json + '}';
}

}  // namespace postern::sasl
