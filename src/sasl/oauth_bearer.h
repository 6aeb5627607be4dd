#pragma once

#include "sasl/mechanism.h"

#include <string>

namespace postern::sasl {

/// OAUTHBEARER (RFC 7628 §3.1): gs2-header ^A "auth=Bearer " token ^A ^A, other fields ignored. A refusal is a JSON
/// challenge which the client answers with ^A (§3.2.3).
class OAuthBearer final : public Mechanism {
 public:
  OAuthBearer(std::string scope, std::string discovery)
      : scope_(std::move(scope)), discovery_(std::move(discovery)) {}
  [[nodiscard]] Step on_response(std::string_view response) override;
  [[nodiscard]] std::string failure_data() const override;

 private:
  const std::string scope_;
  const std::string discovery_;
};

}  // namespace postern::sasl
