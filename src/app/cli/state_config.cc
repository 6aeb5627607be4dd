// A mistake in the configuration must not take their verbs from operators.
#include "app/cli/common.h"
#include "app/reload.h"

#include <toml++/toml.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <utility>

namespace postern::app::cli {
namespace {

/// `data_dir` of one line, when it is set there.
std::optional<std::string> data_dir_in(const std::string& line) {
  if (line.find("data_dir") == std::string::npos) return std::nullopt;
  try {
    return toml::parse(line)["data_dir"].value<std::string>();
  } catch (const toml::parse_error&) {
    return std::nullopt;
  }
}

/// What a file with a mistake says of the data directory: it stands in a line of its own, above the first table.
std::string data_dir_of(const std::string& path) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('[')) break;
    if (const std::optional<std::string> found = data_dir_in(line)) return *found;
  }
  return config::Config{}.data_dir;
}

}  // namespace

Result<config::Config> load_state_config(const Context& context) {
  const std::string path = config_path(context);
  Result<config::Config> config = config::load(path);
  if (config || config.error().code != Errc::Malformed) return config;
  if (config.error().detail.find("did you mean \"data_dir\"") != std::string::npos)
    return config;  // where, then?
  config::Config fallback;
  fallback.data_dir = data_dir_of(path);
  std::error_code error;
  if (!std::filesystem::is_directory(fallback.data_dir, error)) return config;
  const Result<config::Config> running = config::load(running_config_path(fallback));
  static bool warned = false;  // a verb may ask more than once
  if (!std::exchange(warned, true)) {
    std::istringstream lines(config.error().detail);
    for (std::string line; std::getline(lines, line);) std::cerr << "postern: warning: " << line << '\n';
    std::cerr << "postern: warning: going on with "
              << (running ? "the configuration that the server runs with, or ran with last"
                          : "the defaults, in " + fallback.data_dir)
              << '\n';
  }
  return running ? *running : fallback;
}

}  // namespace postern::app::cli
