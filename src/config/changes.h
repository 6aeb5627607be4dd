#pragma once

#include "config/config.h"

#include <string>
#include <vector>

namespace postern::config {

/// What a reload of `fresh` means for a server that runs with `running`.
struct Changes {
  Config config;                     ///< `running` with every Reload::Live option of `fresh`
  std::vector<std::string> live;     ///< keys that changed and take effect now
  std::vector<std::string> restart;  ///< keys that changed and wait for a restart
};

/// Compares row by row of fields(). Pure.
[[nodiscard]] Changes changes(const Config& running, const Config& fresh);

/// "submission.max_message, limits.person.messages", or "nothing".
[[nodiscard]] std::string shown(const std::vector<std::string>& keys);

}  // namespace postern::config
