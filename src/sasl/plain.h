#pragma once

#include "sasl/mechanism.h"

namespace postern::sasl {

/// PLAIN: [authzid] NUL authcid NUL passwd, each of at most 255 octets of UTF-8 (RFC 4616 §2).
class Plain final : public Mechanism {
 public:
  [[nodiscard]] Step on_response(std::string_view response) override;
};

}  // namespace postern::sasl
