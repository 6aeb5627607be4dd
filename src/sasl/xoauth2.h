#pragma once

#include "sasl/mechanism.h"

#include <string>

namespace postern::sasl {

/// XOAUTH2, the forerunner of OAUTHBEARER that Google and Microsoft clients use:
/// "user=" name ^A "auth=Bearer " token ^A ^A. A refusal is a JSON challenge which the client answers emptily.
class XOAuth2 final : public Mechanism {
 public:
  explicit XOAuth2(std::string scope) : scope_(std::move(scope)) {}
  [[nodiscard]] Step on_response(std::string_view response) override;
  [[nodiscard]] std::string failure_data() const override;

 private:
  const std::string scope_;
};

}  // namespace postern::sasl
