#pragma once

#include "base/result.h"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace postern::app::cli {

/// --messages, --recipients and --first-time of verbs that give somebody limits of its own.
struct LimitOptions {
  std::vector<std::string> messages;
  std::vector<std::string> recipients;
  std::vector<std::string> first_time;
  void add_to(CLI::App& command);
  /// As the directory keeps them. Error: Malformed.
  [[nodiscard]] Result<std::vector<std::string>> lines() const;
};

}  // namespace postern::app::cli
