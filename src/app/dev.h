#pragma once

#include "base/result.h"

#include <string>

namespace postern::app {

/// Where `postern dev` keeps its state unless told otherwise: $XDG_STATE_HOME/postern-dev or
/// ~/.local/state/postern-dev.
[[nodiscard]] std::string default_dev_directory();

/// What a developer's server needs, made once and found again: configuration, certificate of a local CA, a
/// demo domain with its key, a demo account.
struct DevSetup {
  std::string directory;
  std::string config_path;
  std::string account;
  std::string password;
  std::string ca_file;
  std::uint16_t submission_port = 587;
  std::uint16_t submissions_port = 465;
};
/// Errors: in words for the developer.
[[nodiscard]] Result<DevSetup> prepare_dev(const std::string& directory);
/// Ready-to-paste commands.
[[nodiscard]] std::string dev_greeting(const DevSetup& setup);

}  // namespace postern::app
