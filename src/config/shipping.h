#pragma once

#include "delivery/options.h"
#include "delivery/provider.h"

#include <map>
#include <string>

/// What is known of the world's mail services, shipped as TOML files inside the binary.
namespace postern::config {

extern const char* const kShippedProviders;   ///< config/providers.toml
extern const char* const kShippedSmarthosts;  ///< config/smarthosts.toml

/// [provider.NAME] of config/providers.toml.
[[nodiscard]] const std::map<std::string, delivery::Provider>& shipped_providers();
/// [preset.NAME] of config/smarthosts.toml.
[[nodiscard]] const std::map<std::string, delivery::Smarthost>& shipped_smarthosts();

}  // namespace postern::config
