#include "config/changes.h"

#include "config/catalogue.h"
#include "config/tables.h"

#include <algorithm>
#include <tuple>
#include <type_traits>
#include <unordered_map>

namespace postern::config {
namespace {

template <class Options>
void take_live_rows(Options& running, const Options& fresh) {
  const auto take_row = [&](const auto& row) {
    if (row.reload == Reload::Live) running.*(row.member) = fresh.*(row.member);
  };
  std::apply([&](const auto&... rows) { (take_row(rows), ...); }, Options::fields());
}

/// TLS can be renewed while the server runs, but not begun or given up.
bool tls_goes_on(const Config& running, const Config& fresh) {
  return running.tls.certificate.empty() == fresh.tls.certificate.empty();
}

Config with_live_options(Config running, const Config& fresh) {
  const bool tls = tls_goes_on(running, fresh);
  const auto take_table = [tls]<class Options>(const std::string& /*name*/, Options& options,
                                               const Options& its_fresh) {
    if constexpr (std::is_same_v<Options, Tls>) {
      if (!tls) return;
      options.more = its_fresh.more;
      options.certificate_at = its_fresh.certificate_at;
      options.key_at = its_fresh.key_at;
    }
    take_live_rows(options, its_fresh);
  };
  visit_tables(take_table, running, fresh);
  for (auto& [name, limits] : running.limits) take_live_rows(limits, fresh.limits.at(name));
  // Where mail goes: every row of these tables is live, and so is their number.
  running.smarthosts = fresh.smarthosts;
  running.providers = fresh.providers;
  running.routes = fresh.routes;
  return running;
}

using Values = std::unordered_map<std::string, std::string>;

Values values_of(const std::vector<Option>& options) {
  Values out;
  for (const Option& option : options) out.emplace(option.key(), option.value);
  return out;
}

/// Options of `options` whose value in `others` is another. Of a table that is only in one of them, those count that
/// are no defaults.
void add_differences(std::vector<std::string>& out, const std::vector<Option>& options,
                     const Values& others) {
  for (const Option& option : options) {
    const std::string key = option.key();
    const auto other = others.find(key);
    const bool differs = other == others.end() ? !option.is_default() : other->second != option.value;
    if (differs && std::find(out.begin(), out.end(), key) == out.end()) out.push_back(key);
  }
}

std::vector<std::string> differences(const Config& before, const Config& after) {
  const std::vector<Option> old_options = options_of(before);
  const std::vector<Option> new_options = options_of(after);
  std::vector<std::string> keys;
  add_differences(keys, new_options, values_of(old_options));
  add_differences(keys, old_options, values_of(new_options));
  return keys;
}

}  // namespace

Changes changes(const Config& running, const Config& fresh) {
  Changes out{with_live_options(running, fresh), {}, {}};
  out.live = differences(running, out.config);
  out.restart = differences(out.config, fresh);
  return out;
}

std::string shown(const std::vector<std::string>& keys) {
  std::string out;
  for (const std::string& key : keys) out += (out.empty() ? "" : ", ") + key;
  return out.empty() ? "nothing" : out;
}

}  // namespace postern::config
