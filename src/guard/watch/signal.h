#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace postern::guard {

/// What may speak for a stolen account.
enum class Signal : std::uint8_t {
  NewRecipients,    ///< more of them, over some window, than the account ever wrote to
  Volume,           ///< messages or recipients per message far over the account's habit
  AllStrangers,     ///< the messages go nearly all to new recipients, unlike the account's others
  StrangeNetwork,   ///< new recipients are written to from a network it never used
  SeveralNetworks,  ///< several strange networks at once
  OddHours,
  Bounces,  ///< unknown users and other permanent failures
  Reports,  ///< content scanner, complaints, failed logins before this one
};
constexpr std::size_t kSignals = 8;
[[nodiscard]] const char* name_of(Signal signal);

/// One signal's part in a score.
struct Evidence {
  Signal signal = Signal::NewRecipients;
  double strength = 0;  ///< nats: by how much e-fold an attack explains this better than the owner does
  double value = 0;     ///< what was seen
  double usual = 0;     ///< what the account is used to
  const char* window = "";
  friend bool operator==(const Evidence&, const Evidence&) = default;
};

/// All evidence against an account at one moment.
struct Evidences {
  std::array<Evidence, kSignals> all{};
  [[nodiscard]] Evidence& operator[](Signal signal) { return all[static_cast<std::size_t>(signal)]; }
  [[nodiscard]] const Evidence& operator[](Signal signal) const {
    return all[static_cast<std::size_t>(signal)];
  }
  [[nodiscard]] double score() const;
};

/// "61 new recipients in 1 day, at most 9 before (7.1)": one sentence per signal that spoke, the strongest
/// first.
[[nodiscard]] std::vector<std::string> in_words(const Evidences& evidences);

}  // namespace postern::guard
