#pragma once

#include "base/options.h"
#include "base/result.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace postern::guard {

/// What becomes of mail that a held account hands in.
enum class NewMail : std::uint8_t {
  Hold,    ///< accepted, and frozen with the rest: its owner loses nothing, a thief learns nothing
  Refuse,  ///< 450 4.7.1: it stays with the client
};
constexpr auto option_names(NewMail) {
  return std::array{std::pair{"hold", NewMail::Hold}, std::pair{"refuse", NewMail::Refuse}};
}

/// The table [watch].
struct WatchOptions {
  bool enabled = true;
  NewMail new_mail = NewMail::Hold;
  std::vector<std::string> never_hold;
  std::string notify;
  std::string webhook;
  std::string webhook_secret_file;

  /// Whether one option can be meant. Error: Malformed.
  [[nodiscard]] Result<> check(std::string_view key) const;
  /// Whether they can be meant together. Error: Malformed.
  [[nodiscard]] Result<> validate() const;

  static auto fields() {
    return std::tuple{
        field("enabled", &WatchOptions::enabled, Reload::Restart,
              "Stolen accounts are looked for and held; see docs/guard.md."),
        field("new_mail", &WatchOptions::new_mail, Reload::Live,
              "What a held account hands in is accepted and frozen (hold), or answered 450 4.7.1 (refuse)."),
        field("never_hold", &WatchOptions::never_hold, Reload::Live,
              "Accounts and classes (person, app, bulk) that are warned of and never held."),
        field("notify", &WatchOptions::notify, Reload::Live,
              "Address that is told of each hold, beside the account's own; empty: only the account."),
        field("webhook", &WatchOptions::webhook, Reload::Live,
              "https:// address that is told of holds and releases; http:// only to this machine."),
        field("webhook_secret_file", &WatchOptions::webhook_secret_file, Reload::Live,
              "File with the key of the webhook's signature (HMAC-SHA256, see docs/guard.md)."),
    };
  }
};

}  // namespace postern::guard
