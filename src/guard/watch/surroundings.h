#pragma once

#include "guard/watch/networks.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace postern::guard {

/// What the accounts of a server tell about a network together: an office from which many send is less strange
/// to a new colleague; a network from which one account was stolen is suspect for all.
///
/// Limits   constant: kOffices and kSuspects entries; a newcomer replaces what shares its slot.
class Surroundings {
 public:
  static constexpr std::size_t kOffices = 4096;
  static constexpr std::size_t kSuspects = 512;
  static constexpr std::int64_t kSuspectFor = 14 * 86400;  // seconds

  /// How many accounts came to trust the network of `place`.
  [[nodiscard]] unsigned accounts_at(const Place& place) const;
  [[nodiscard]] bool suspect(const Place& place, std::int64_t time) const;
  void note_trusted(const Place& place);
  void note_attack(const Place& place, std::int64_t time);
  /// An operator said that it was none.
  void forgive(const Place& place);

  /// For keeping on disk; restore() takes what octets() gave, and ignores anything else.
  [[nodiscard]] std::string octets() const;
  void restore(std::string_view octets);
  /// Whether anything changed since the last call.
  [[nodiscard]] bool take_changed() { return std::exchange(changed_, false); }

 private:
  struct Office {
    std::uint32_t network = 0;
    std::uint32_t accounts = 0;
  };
  struct Suspect {
    std::uint32_t network = 0;
    std::int64_t since = 0;
  };
  std::array<Office, kOffices> offices_{};
  std::array<Suspect, kSuspects> suspects_{};
  bool changed_ = false;
};

}  // namespace postern::guard
