#pragma once

#include "sasl/scram_keys.h"

#include <optional>
#include <string>
#include <variant>

namespace postern::sasl {

/// Who somebody says to be. `authzid`: whom to act as; empty: oneself.
struct PasswordClaim {
  std::string authzid;
  std::string authcid;
  std::string password;
};
/// The SCRAM proof was computed already; `proven` are the keys that it belongs to, nothing when it was wrong.
struct ProofClaim {
  std::string authzid;
  std::string authcid;
  std::optional<ScramKeys> proven;
};
/// An OAuth 2.0 access token, to be validated. The name is a wish (RFC 7628 §3.1); may be empty.
struct TokenClaim {
  std::string authzid;
  std::string token;
};
/// The certificate that the client showed in the TLS handshake.
struct CertificateClaim {
  std::string authzid;
};

/// What the client claims; to be checked by the directory.
using Claim = std::variant<PasswordClaim, ProofClaim, TokenClaim, CertificateClaim>;

/// Who logs in, for lock-outs and the log, before anything is checked.
[[nodiscard]] const std::string& claimed_name(const Claim& claim);
/// Whether the client asks to act as somebody else than it logs in as. Nobody has that permission.
[[nodiscard]] bool asks_for_another(const Claim& claim);

}  // namespace postern::sasl
