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

/// `text` as SASLprep (RFC 4013) has it, so that a name or password is one thing however it was typed. Letters newer than
/// Unicode 3.2 are taken as they are: RFC 4616 §2 asks for that in what is presented, and what is kept has to match it.
/// Error: Malformed, for what is not UTF-8, holds what RFC 4013 §2.3 prohibits (control characters above all), mixes writing
/// directions against §2.4, or has nothing left.
[[nodiscard]] Result<std::string> saslprep(std::string_view text);

}  // namespace postern::sasl
