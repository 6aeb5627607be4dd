#include "config/catalogue.h"

#include "config/names.h"
#include "config/reader.h"
#include "config/shipping.h"
#include "config/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace postern::config {
namespace {

/// The value and its kind as people write them; one overload for each kind of value that reader.h reads.
/// The text is both TOML and JSON.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string written(bool value) { return value ? "true" : "false"; }
std::string written(const std::string& value) { return quoted(value); }
std::string written(Bytes value) { return quoted(shown(value)); }
std::string written(const std::vector<std::string>& value) {
  std::string out;
  for (const std::string& text : value) out += (out.empty() ? "" : ", ") + quoted(text);
  return '[' + out + ']';
}
template <class T>
std::string written(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    for (const auto& [name, known] : option_names(T{})) {
      if (known == value) return quoted(name);
    }
    return quoted("");
  } else if constexpr (requires { typename T::period; }) {
    return quoted(shown(std::chrono::milliseconds(value)));
  } else {
    return std::to_string(value);
  }
}

template <class T>
std::string kind_of(const T& /*value*/) {
  if constexpr (std::is_same_v<T, bool>) {
    return "true or false";
  } else if constexpr (std::is_same_v<T, std::string>) {
    return "a text";
  } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    return "a list of texts";
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return "a size such as \"50MiB\" (B, KiB, MiB, GiB)";
  } else if constexpr (std::is_enum_v<T>) {
    std::string all;
    for (const auto& [name, known] : option_names(T{})) all += (all.empty() ? "" : ", ") + quoted(name);
    return "one of " + all;
  } else if constexpr (requires { typename T::period; }) {
    return "a time such as \"300s\" (ms, s, m, h, d)";
  } else {
    return "a whole number";
  }
}

/// written(), without the quotes of sizes and times.
template <class T>
std::string bound(const T& value) {
  std::string text = written(value);
  std::erase(text, '"');
  return text;
}

template <class Options>
void add_table(std::vector<Option>& out, const std::string& table, const Options& options,
               const Options& defaults) {
  const auto add_row = [&](const auto& row) {
    const auto& value = options.*(row.member);
    out.push_back({.table = table,
                   .name = row.name,
                   .kind = kind_of(value),
                   .value = written(value),
                   .default_value = written(defaults.*(row.member)),
                   .range = row.bounded ? bound(row.min) + " to " + bound(row.max) : std::string(),
                   .reload = row.reload,
                   .help = row.help});
  };
  std::apply([&](const auto&... rows) { (add_row(rows), ...); }, Options::fields());
}

/// The rows of the fixed tables.
void add_fixed_tables(std::vector<Option>& out, const Config& config, const Config& defaults) {
  const auto add = [&]<class Options>(const std::string& name, const Options& options,
                                      const Options& its_default) {
    add_table(out, name, options, its_default);
    if constexpr (std::is_same_v<Options, Tls>) {
      std::size_t number = 0;
      for (const CertificatePair& pair : options.more)
        add_table(out, fmt::format("tls.more[{}]", ++number), pair, CertificatePair{});
    }
  };
  visit_tables(add, config, defaults);
}

}  // namespace

std::vector<Option> options_of(const Config& config) {
  const Config defaults;
  std::vector<Option> all;
  add_fixed_tables(all, config, defaults);
  for (const auto& [name, limits] : config.limits)
    add_table(all, "limits." + name, limits, defaults.limits.at(name));
  for (const auto& [name, smarthost] : config.smarthosts)
    add_table(all, "smarthost." + name, smarthost, delivery::Smarthost{});
  for (const auto& [name, provider] : config.providers) {
    const auto shipped = shipped_providers().find(name);
    add_table(all, "provider." + name, provider,
              shipped == shipped_providers().end() ? delivery::Provider{} : shipped->second);
  }
  std::size_t number = 0;
  for (const delivery::RouteRule& route : config.routes)
    add_table(all, fmt::format("route[{}]", ++number), route, delivery::RouteRule{});
  return all;
}

std::vector<Option> known_options() {
  Config config;
  config.tls.more.emplace_back();
  config.smarthosts["NAME"];
  config.providers["NAME"];
  config.routes.emplace_back();
  std::vector<Option> all = options_of(config);
  for (Option& option : all) {
    if (option.table == "tls.more[1]") option.table = "tls.more";
    if (option.table == "route[1]") option.table = "route";
  }
  return all;
}

Result<Option> find_option(const Config& config, std::string_view key) {
  std::vector<Option> all = options_of(config);
  for (Option& option : known_options()) all.push_back(std::move(option));
  std::vector<std::string> keys;
  std::vector<std::string> names;
  for (const Option& option : all) {
    if (option.key() == key) return option;
    keys.push_back(option.key());
    names.push_back(option.name);
  }
  std::string near = nearest_name(key, keys);
  if (const std::string name = nearest_name(key, names); near.empty() && !name.empty()) {
    // The key was given without its table.
    const auto option = std::ranges::find(all, name, &Option::name);
    near = option->key();
  }
  return fail(Errc::NotFound, fmt::format("no option {}{}", key,
                                          near.empty() ? "; postern config show lists them all"
                                                       : "; did you mean " + near + "?"));
}

}  // namespace postern::config
