#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace postern::sasl {

/// What the client claims; to be checked by the directory.
struct Credentials {
  std::string authzid;  ///< whom to act as; empty: oneself
  std::string authcid;  ///< who logs in
  std::string password;
};
/// Octets to send to the client, who answers.
struct Challenge {
  std::string octets;
};
/// The response breaks the mechanism's grammar.
struct Failed {};

using Step = std::variant<Challenge, Credentials, Failed>;

/// One exchange of one mechanism.
class Mechanism {
 public:
  virtual ~Mechanism() = default;
  /// The first challenge of a client that sent no initial response.
  [[nodiscard]] virtual std::string first_challenge() const = 0;
  /// A response of the client, base64 already decoded.
  [[nodiscard]] virtual Step on_response(std::string_view response) = 0;
};

/// The mechanism called `name` (upper case), or nullptr.
[[nodiscard]] std::unique_ptr<Mechanism> make_mechanism(std::string_view name);
/// The names for EHLO, parted by spaces.
[[nodiscard]] std::string_view mechanism_names();

}  // namespace postern::sasl
