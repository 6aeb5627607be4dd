#include "config/shipping.h"

#include "base/assert.h"
#include "config/reader.h"

namespace postern::config {
namespace {

/// The tables called `kind` of a file of ours; tests see that it is right.
template <class T>
std::map<std::string, T> read_all(const char* text, const char* kind, const std::string& file) {
  std::map<std::string, T> out;
  const toml::table root = toml::parse(text, file);
  for (const auto& [name, node] : *root[kind].as_table()) {
    const Result<> read = read_table(*node.as_table(), out[std::string(name.str())], file);
    POSTERN_ASSERT(read.has_value());
  }
  return out;
}

}  // namespace

const std::map<std::string, delivery::Provider>& shipped_providers() {
  static const auto kAll =
      read_all<delivery::Provider>(kShippedProviders, "provider", "config/providers.toml");
  return kAll;
}

const std::map<std::string, delivery::Smarthost>& shipped_smarthosts() {
  static const auto kAll =
      read_all<delivery::Smarthost>(kShippedSmarthosts, "preset", "config/smarthosts.toml");
  return kAll;
}

}  // namespace postern::config
