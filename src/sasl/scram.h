#pragma once

#include "sasl/mechanism.h"

#include <functional>
#include <optional>
#include <string>

namespace postern::sasl {

/// SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677): the password never crosses the wire, and PLUS ties the
/// proof to this very TLS connection.
///
/// A client that says it could bind and thinks that we cannot (flag y), though we offer PLUS, was lied to by somebody
/// between: refused (RFC 5802 §6).
class Scram final : public Mechanism {
 public:
  using FindSecrets = std::function<ScramSecrets(std::string_view authcid)>;
  /// Without channel binding. `server_nonce` is for tests; empty: random.
  Scram(bool plus_is_offered, FindSecrets find, std::string server_nonce = {});
  /// PLUS.
  Scram(ChannelBinding binding, FindSecrets find, std::string server_nonce = {});

  [[nodiscard]] Step on_response(std::string_view response) override;
  [[nodiscard]] std::string success_data() const override { return server_final_; }

 private:
  [[nodiscard]] Step on_client_first(std::string_view message);
  [[nodiscard]] Step on_client_final(std::string_view message);
  /// The channel binding data that the header asks for; nothing when it may not ask so.
  [[nodiscard]] std::optional<std::string> binding_data(const struct Gs2Header& header) const;
  [[nodiscard]] std::optional<ScramKeys> matching_keys(std::string_view proof,
                                                       const std::string& auth_message) const;

  const bool plus_;
  const bool plus_is_offered_;
  const ChannelBinding binding_;
  const FindSecrets find_;
  std::string nonce_;  // ours, then the client's and ours
  std::string authzid_;
  std::string authcid_;
  std::string channel_;  // base64 of what c= must be
  std::string client_first_bare_;
  std::string server_first_;
  std::string server_final_;
  ScramSecrets secrets_;
  enum class Stage { First, Final, Over } stage_ = Stage::First;
};

}  // namespace postern::sasl
