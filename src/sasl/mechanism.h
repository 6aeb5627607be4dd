#pragma once

#include "sasl/claim.h"
#include "sasl/scram_keys.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace postern::sasl {

/// Octets to send to the client, who answers.
struct Challenge {
  std::string octets;
};
/// The response breaks the mechanism's grammar or rules.
struct Failed {};

using Step = std::variant<Challenge, Claim, Failed>;

/// One exchange of one mechanism: responses in, until a Claim or Failed comes out. Whoever checks the claim then
/// sends success_data() or failure_data().
class Mechanism {
 public:
  virtual ~Mechanism() = default;
  /// The first challenge of a client that sent no initial response.
  [[nodiscard]] virtual std::string first_challenge() const { return {}; }
  /// A response of the client, base64 already decoded.
  [[nodiscard]] virtual Step on_response(std::string_view response) = 0;
  /// What proves us to the client once its claim was right; it answers with an empty response before it has
  /// succeeded (RFC 4422 §3.6, RFC 4954 §4). Empty: nothing.
  [[nodiscard]] virtual std::string success_data() const { return {}; }
  /// Why the claim was refused; the client answers before it has failed (RFC 7628 §3.2.3). Empty: nothing.
  [[nodiscard]] virtual std::string failure_data() const { return {}; }
};

/// What both ends of a TLS connection know and nobody between them does (RFC 5056); "" where the connection has none.
struct ChannelBinding {
  std::string exporter;          ///< tls-exporter (RFC 9266)
  std::string server_end_point;  ///< tls-server-end-point (RFC 5929 §4)
};

/// What a connection can be offered, and what its mechanisms need.
struct Environment {
  bool passwords = true;                         ///< PLAIN, LOGIN
  bool tokens = false;                           ///< OAUTHBEARER, XOAUTH2
  bool certificate = false;                      ///< EXTERNAL: the client has shown one
  bool binds = false;                            ///< there is channel binding data: SCRAM-SHA-256-PLUS
  std::function<ChannelBinding()> find_binding;  ///< set if `binds`; asked only when it is needed
  std::string token_scope;                       ///< named to clients whose token is refused
  std::string openid_discovery;                  ///< likewise; a URL, may be empty
  /// SCRAM: what is kept of `authcid`; something stable and made up for an unknown name. Unset: no SCRAM.
  std::function<ScramSecrets(std::string_view authcid)> find_secrets;
};

/// The mechanism called `name` (upper case), or nullptr when it is unknown or not offered. `environment` is borrowed.
[[nodiscard]] std::unique_ptr<Mechanism> make_mechanism(std::string_view name,
                                                        const Environment& environment);
/// The names for EHLO, parted by spaces; "" when there is none. PLAIN first: some clients take the first they know.
[[nodiscard]] std::string mechanism_names(const Environment& environment);

}  // namespace postern::sasl
