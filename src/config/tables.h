#pragma once

#include "config/config.h"

#include <string>
#include <vector>

/// The list of the file's tables, for all who walk over every option. Private to config/.
namespace postern::config {

/// Calls visit(name, options...) for the top level (its name is "") and every table whose name is fixed, with the
/// same table of each of `configs`. [smarthost.NAME], [provider.NAME], [[route]], [limits.CLASS] and [[tls.more]]
/// are not among them.
template <class Visit, class... Configs>
void visit_tables(Visit&& visit, Configs&... configs) {
  visit("", configs...);
  visit("listen", configs.listen...);
  visit("tls", configs.tls...);
  visit("log", configs.log...);
  visit("accounts", configs.accounts...);
  visit("ldap", configs.ldap...);
  visit("dovecot", configs.dovecot...);
  visit("oauth", configs.oauth...);
  visit("lockout", configs.lockout...);
  visit("watch", configs.watch...);
  visit("submission", configs.submission...);
  visit("intake", configs.intake...);
  visit("scan", configs.scan...);
  visit("queue", configs.queue...);
  visit("history", configs.history...);
  visit("delivery", configs.delivery...);
  visit("tls_policies", configs.tls_policies...);
  visit("dns", configs.dns...);
}
template <class AnyConfig, class Visit>
void for_each_table(AnyConfig& config, Visit&& visit) {
  visit_tables(visit, config);
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
