#pragma once

#include "config/config.h"

#include <string>
#include <string_view>
#include <vector>

namespace postern::config {

/// One option as people see it; made of its row in some fields().
struct Option {
  std::string table;          ///< "submission", "smarthost.ses", "tls.more[1]"; "" for the top level
  std::string name;           ///< "max_message"
  std::string kind;           ///< "a size such as \"50MiB\""
  std::string value;          ///< as TOML and JSON write it
  std::string default_value;  ///< likewise
  std::string range;          ///< "64KiB to 1GiB", or empty
  Reload reload = Reload::Restart;
  std::string help;

  [[nodiscard]] std::string key() const { return table.empty() ? name : table + '.' + name; }
  [[nodiscard]] bool is_default() const { return value == default_value; }
};

/// Every option of `config`, table by table.
[[nodiscard]] std::vector<Option> options_of(const Config& config);

/// Every option there is, with its default: smarthost.NAME and tls.more stand for as many as are wanted.
[[nodiscard]] std::vector<Option> known_options();

/// The option that `key` names, with its value in `config`. NotFound: with the nearest valid name.
[[nodiscard]] Result<Option> find_option(const Config& config, std::string_view key);

/// What `postern config show` prints: the whole configuration as TOML, defaults marked as such.
[[nodiscard]] std::string effective_toml(const Config& config);
/// config/postern.toml: every option at its default, commented out, with its help.
[[nodiscard]] std::string annotated_toml();
/// docs/generated/options.md
[[nodiscard]] std::string options_page();

}  // namespace postern::config
