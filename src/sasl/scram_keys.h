#pragma once

#include "base/result.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postern::sasl {

/// What a server keeps of one password for SCRAM-SHA-256 (RFC 5802 §3): enough to check a proof, not to make one.
struct ScramKeys {
  using Digest = std::array<unsigned char, 32>;
  Digest stored_key{};
  Digest server_key{};
  friend bool operator==(const ScramKeys&, const ScramKeys&) = default;
};

/// What a server keeps of one name. Several passwords (app passwords) share salt and count, as the client is told
/// these before it proves one of them.
struct ScramSecrets {
  std::string salt;  ///< octets
  std::uint32_t iterations = 0;
  std::vector<ScramKeys> keys;  ///< empty: no proof is right
};

/// The keys of `password`, prepared by SASLprep. Takes `iterations` HMACs. Error: Internal.
[[nodiscard]] Result<ScramKeys> derive_scram_keys(std::string_view password, std::string_view salt,
                                                  std::uint32_t iterations);

/// SASLprep (RFC 4013), so that the same password typed on two systems is the same octets. What it forbids, and what
/// is not UTF-8, stays as it is: such a password can still be right with PLAIN.
[[nodiscard]] std::string saslprep(std::string_view text);

}  // namespace postern::sasl
