#pragma once

#include "app/parts.h"

#include <string>

namespace postern::app {

/// What changes while the server runs: the configuration on SIGHUP, certificates when their files change.
/// Threads  the main thread.
class Reloader {
 public:
  Reloader(Parts& parts, std::string config_path) : parts_(parts), config_path_(std::move(config_path)) {}

  /// Reads the configuration again, or keeps the old one and logs why.
  void reload_config();
  /// Takes over a renewed certificate; one that does not work is logged once and the old one stays.
  void check_certificate();

 private:
  Parts& parts_;
  const std::string config_path_;
  std::string certificate_trouble_;
};

}  // namespace postern::app
