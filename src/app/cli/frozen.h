#pragma once

#include "config/config.h"

#include <cstddef>
#include <map>
#include <string>

namespace postern::app::cli {

/// Why an account's mail waits.
struct Frozen {
  std::string since;
  std::string reason;
};
/// By the account's address.
using FrozenAccounts = std::map<std::string, Frozen, std::less<>>;

/// Asks the running server, or else the files. Errors: as ask_or().
[[nodiscard]] Result<FrozenAccounts> frozen_accounts(const config::Config& config);

/// "frozen since ...: why; postern queue thaw anna@example.org lets it go"
[[nodiscard]] std::string shown(const std::string& account, const Frozen& frozen);

/// How many messages of the account wait. Errors: as ask_or().
[[nodiscard]] Result<std::size_t> waiting_of(const config::Config& config, const std::string& account);

}  // namespace postern::app::cli
