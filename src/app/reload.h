#pragma once

#include "app/parts.h"

#include <string>

namespace postern::app {

/// What changes while the server runs: the configuration on SIGHUP, certificates when their files change.
///
/// A reload is all or nothing: a file that is wrong, or whose certificate or password cannot be read, changes nothing.
/// Options marked Reload::Live take effect at once for what begins from now on; a session that is open goes on as it
/// began. The others are named in the log and wait for a restart.
/// Threads  the main thread.
class Reloader {
 public:
  Reloader(Parts& parts, std::string config_path);

  /// Reads the configuration again and takes it over, or keeps the old one and logs why.
  void reload_config();
  /// Takes over a renewed certificate; one that does not work is logged once and the old one stays.
  void check_certificate();

 private:
  [[nodiscard]] Result<> take_over(config::Config fresh);

  Parts& parts_;
  const std::string config_path_;
  config::Config running_;  // what is in effect: parts_.config and the live options of every reload since
  std::string certificate_trouble_;
};

/// Where the configuration in effect is written, so that `postern config check` can tell what a reload would do.
[[nodiscard]] std::string running_config_path(const config::Config& config);

}  // namespace postern::app
