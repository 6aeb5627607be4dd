#pragma once

#include "sasl/mechanism.h"

#include <optional>

namespace postern::sasl {

/// LOGIN: user name, then password. Obsolete, and what Outlook, PHPMailer and Jakarta Mail use. A user name
/// as initial response is tolerated. The challenge texts are those that some clients insist on.
class Login final : public Mechanism {
 public:
  [[nodiscard]] std::string first_challenge() const override { return "Username:"; }
  [[nodiscard]] Step on_response(std::string_view response) override;

 private:
  std::optional<std::string> user_;
};

}  // namespace postern::sasl
