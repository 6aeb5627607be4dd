#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace postern::sasl {

/// The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding: the server learns that we know
/// the password, and not the password; and it has to prove that it knows it too.
class ScramClient {
 public:
  /// `nonce` is for tests; empty: random.
  ScramClient(std::string_view user, std::string password, std::string nonce = {});

  /// client-first-message, the initial response.
  [[nodiscard]] std::string first() const;
  /// client-final-message, the answer to the server's first. Errors: Malformed; Denied: a count of iterations that is
  /// too small to protect the password (RFC 7677 §4), or so large that it is an attack on us.
  [[nodiscard]] Result<std::string> final(std::string_view server_first);
  /// Whether the server's final message proves that it knows the password. Errors: Malformed, Denied.
  [[nodiscard]] Result<> verify(std::string_view server_final) const;

 private:
  std::string first_bare_;
  std::string password_;
  std::string nonce_;
  std::string server_signature_;
};

}  // namespace postern::sasl
