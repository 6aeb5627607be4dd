#pragma once

#include "net/endpoint.h"

#include <array>
#include <cstdint>

namespace postern::guard {

/// Where a message came from, for comparison only: the client's /24 or /48, and the /16 or /32 around it.
/// Both 0: not known.
struct Place {
  std::uint32_t network = 0;
  std::uint32_t surrounding = 0;
  [[nodiscard]] bool known() const { return network != 0; }
  [[nodiscard]] static Place of(const net::IpAddress& client);
};

/// The networks from which one account sends, and which of them it is at home in.
///
/// A network is trusted when it was the account's first, or after kCalm calm messages from it (to known
/// recipients, with nothing else odd). So somebody else's network does not become trusted by being used for
/// spam.
/// Limits   kEntries networks; the one unused for longest makes room, strangers first.
class Networks {
 public:
  static constexpr std::size_t kEntries = 6;
  static constexpr std::uint8_t kCalm = 4;
  struct Entry {
    std::uint32_t network = 0;  ///< 0: free
    std::uint32_t surrounding = 0;
    std::uint32_t last_minute = 0;  ///< minutes since 1970
    std::uint8_t calm = 0;          ///< calm messages, up to 255
  };

  /// How strange `place` is to this account: 0 (trusted) to 1 (nothing like it was ever used). A place that is
  /// not known tells nothing: 0.
  [[nodiscard]] double strangeness(const Place& place) const;
  [[nodiscard]] bool trusts(const Place& place) const;
  /// A message came from `place`. True when the network was not among the entries.
  bool note(const Place& place, std::uint32_t minute);
  /// The message just noted was calm. True when it made the network a trusted one.
  bool note_calm(const Place& place);
  /// Trusted networks used within `minutes` before `minute`, other than `place`.
  [[nodiscard]] bool used_elsewhere(const Place& place, std::uint32_t minute, std::uint32_t minutes) const;

  [[nodiscard]] const std::array<Entry, kEntries>& entries() const { return entries_; }
  [[nodiscard]] std::array<Entry, kEntries>& entries() { return entries_; }

 private:
  [[nodiscard]] const Entry* find(std::uint32_t network) const;
  std::array<Entry, kEntries> entries_{};
};

}  // namespace postern::guard
