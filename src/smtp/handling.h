#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace postern::smtp {

/// BY= (RFC 2852 §4): by when a message is to be delivered, counted from when it was accepted.
struct DeliverBy {
  enum class Mode : std::uint8_t {
    Return,  ///< R: then it comes back undelivered (failed, 5.4.7)
    Notify,  ///< N: then its sender is told, and it is tried on (delayed, 4.4.7)
  };
  std::chrono::seconds within{0};  ///< ±999,999,999; more than 0 with Return
  Mode mode = Mode::Notify;
  bool trace = false;  ///< T: each relay tells the sender
  friend bool operator==(const DeliverBy&, const DeliverBy&) = default;
};

/// HOLDFOR= or HOLDUNTIL= (RFC 4865 §4): no attempt before this.
using Hold = std::variant<std::chrono::seconds, TimePoint>;
/// When a message accepted at `accepted_at` may go.
[[nodiscard]] TimePoint end_of(const Hold& hold, TimePoint accepted_at);
/// "for;3600" or "until;2027-01-31T12:00:00Z", as a DSN's Future-Release-Request shows it (RFC 4865 §5.1.2).
[[nodiscard]] std::string to_string(const Hold& hold);

/// How and when a message wants to be delivered, besides to whom. It stays with the message in the queue.
struct Handling {
  std::optional<DeliverBy> by;
  std::optional<Hold> hold;
  std::optional<std::int8_t> priority;  ///< MT-PRIORITY=, -9 to 9 (RFC 6710); absent: 0, and not passed on
  bool require_tls = false;             ///< REQUIRETLS (RFC 8689): never over a hop that does not keep it
  [[nodiscard]] bool empty() const { return *this == Handling{}; }
  friend bool operator==(const Handling&, const Handling&) = default;
};

/// As parameters of MAIL, parted by spaces; "" when empty().
[[nodiscard]] std::string to_params(const Handling& handling);
/// Reads what to_params() wrote. Error: Malformed.
[[nodiscard]] Result<Handling> parse_handling(std::string_view params);

/// Takes one parameter of MAIL. False: it is none of these. Error: Malformed: a bad value, or a second hold.
[[nodiscard]] Result<bool> apply_handling(Handling& handling, std::string_view keyword,
                                          std::optional<std::string_view> value);

}  // namespace postern::smtp
