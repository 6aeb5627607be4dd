#pragma once

#include "sasl/mechanism.h"

namespace postern::sasl {

/// EXTERNAL: what TLS has proven counts; the response is the authorization identity or empty (RFC 4422 §A).
class External final : public Mechanism {
 public:
  [[nodiscard]] Step on_response(std::string_view response) override;
};

}  // namespace postern::sasl
