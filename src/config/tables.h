#pragma once

#include "config/config.h"

#include <string>
#include <vector>

/// The list of the file's tables, for all who walk over every option. Private to config/.
namespace postern::config {

/// Calls visit(name, options) for the top level (its name is "") and every table whose name is fixed.
/// [smarthost.NAME], [provider.NAME], [[route]], [limits.CLASS] and [[tls.more]] are not among them.
template <class AnyConfig, class Visit>
void for_each_table(AnyConfig& config, Visit&& visit) {
  visit("", config);
  visit("listen", config.listen);
  visit("tls", config.tls);
  visit("log", config.log);
  visit("accounts", config.accounts);
  visit("ldap", config.ldap);
  visit("dovecot", config.dovecot);
  visit("oauth", config.oauth);
  visit("lockout", config.lockout);
  visit("submission", config.submission);
  visit("intake", config.intake);
  visit("queue", config.queue);
  visit("delivery", config.delivery);
  visit("dns", config.dns);
}

/// Keys of a table that are no rows of its fields().
template <class Options>
[[nodiscard]] std::vector<std::string> further_keys(const Options& /*table*/) {
  return {};
}
[[nodiscard]] inline std::vector<std::string> further_keys(const Tls& /*table*/) { return {"more"}; }
[[nodiscard]] inline std::vector<std::string> further_keys(const Config& config) {
  std::vector<std::string> names{"smarthost", "provider", "route", "limits"};
  for_each_table(config, [&names](const std::string& name, const auto& /*table*/) {
    if (!name.empty()) names.push_back(name);
  });
  return names;
}

}  // namespace postern::config
