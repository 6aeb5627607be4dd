#pragma once

#include "base/result.h"

#include <chrono>
#include <string>
#include <vector>

namespace postern::net {

/// A certificate authority of our own with one server certificate, as PEM texts; ECDSA P-256.
/// For `postern dev` and tests: a newcomer's client can verify something before there is a real certificate.
struct LocalCa {
  std::string ca_certificate;
  std::string certificate;  ///< leaf first, then the CA
  std::string key;
};

/// `names` become the subject alternative names; an IP address becomes an IP entry. Error: Internal.
[[nodiscard]] Result<LocalCa> make_local_ca(const std::vector<std::string>& names,
                                            std::chrono::hours lifetime);

}  // namespace postern::net
