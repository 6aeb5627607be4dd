#pragma once

#include "delivery/message.h"
#include "delivery/outcome.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace postern::delivery {

/// A reason of ours usually names the host it is about; `text` without it, for where the host stands beside it.
[[nodiscard]] std::string_view without_host(std::string_view text, const Peer& peer);

/// What the addresses of a next hop came to that were tried one after the other for one session, none of which
/// works: which of them decides about the mail, and what there is to say of the others.
///
/// One that may work later outweighs those that never will. Among equals the one that says most decides: a reply
/// before a fault of ours or of TLS, that before silence, and silence before what was not even asked. Among those the
/// first, which the domain prefers.
class Tries {
 public:
  /// How far it got.
  enum class Reached : std::uint8_t {
    Skipped,  ///< did not answer a moment ago, so it was not asked
    Nothing,  ///< no connection, or no banner
    Session,  ///< there was a session
  };

  void add(Peer peer, Outcome outcome, Reached reached);
  [[nodiscard]] bool empty() const { return all_.empty(); }
  /// Requires !empty(). The peer knows what the others said.
  [[nodiscard]] Attempt decide() &&;
  /// All of them in words, for who comes after: "mx1.example [192.0.2.1]: Connection refused; mx2...". Bounded.
  [[nodiscard]] std::string describe() const { return describe_without(all_.size()); }

 private:
  struct Try {
    Peer peer;
    Outcome outcome;
    Reached reached;
    [[nodiscard]] int weight() const;
    [[nodiscard]] std::string text() const;
  };
  [[nodiscard]] std::string describe_without(std::size_t which) const;

  std::vector<Try> all_;
};

}  // namespace postern::delivery
