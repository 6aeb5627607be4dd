#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace postern::guard {

/// What is compared with the account's habit. Windows fade exponentially: "2h" is a time constant.
enum class Measure : std::uint8_t {
  NewRecipients10m,
  NewRecipients2h,
  NewRecipients1d,
  NewRecipients7d,
  Outreach1d,  ///< moments (of 20 s) in which somebody new was written to: a list is one, however long
  Outreach7d,
  Messages10m,
  Messages2h,
  Messages1d,
  MessageSize,  ///< recipients of one message; not a window
};
constexpr std::size_t kMeasures = 10;
constexpr std::size_t kWindows = 9;
[[nodiscard]] constexpr std::size_t index(Measure measure) { return static_cast<std::size_t>(measure); }

/// How much an account does now, and the most it did in its past.
///
/// What is done now becomes part of the past only after days (maturity), so that an attack cannot be its own
/// excuse; during the account's first day at once. The past halves in kHalfLife.
struct Habit {
  static constexpr std::chrono::seconds kHalfLife = std::chrono::days{90};

  std::array<float, kWindows> now{};
  std::array<float, kMeasures> most{};    ///< of the past
  std::array<float, kMeasures> recent{};  ///< since the last turn: not yet past
  std::array<float, kMeasures> older{};   ///< between the last two turns
  std::int64_t last_outreach = 0;
  std::int64_t last_message = 0;
  std::int64_t at = 0;  ///< seconds since 1970: `now` holds for this time
  std::int64_t turned = 0;

  /// Lets the windows fade until `time`, and turns the past when it is due. `age`: of the account.
  void advance(std::int64_t time, std::int64_t age);
  /// A message of `size` recipients, of whom `fresh` count as new, at the time last given to advance().
  void add(double fresh, double size);
  /// What happens now is normal from now on: an account's first day, or an operator's word.
  void accept_now();
  /// Forgets what happens now.
  void clear_now();

  [[nodiscard]] double current(Measure measure) const { return now[index(measure)]; }
  [[nodiscard]] double past(Measure measure) const { return most[index(measure)]; }
};

}  // namespace postern::guard
