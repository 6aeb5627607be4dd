#include "config/config.h"

#include "config/reader.h"
#include "config/shipping.h"
#include "config/tables.h"
#include "mail/host_name.h"
#include "net/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace postern::config {
namespace {

/// The table called `name` below `root`; nullptr when absent.
Result<const toml::table*> table_at(const toml::table& root, const char* name, const std::string& file) {
  const toml::node* node = root.get(name);
  if (node == nullptr) return static_cast<const toml::table*>(nullptr);
  const toml::table* table = node->as_table();
  if (table == nullptr) return error_at(file, *node, std::string(name) + " must be a table: [" + name + "]");
  return table;
}

template <class Options>
Result<> read_section(const toml::table& root, const char* name, Options& options, const std::string& file) {
  POSTERN_TRY(const toml::table* const table, table_at(root, name, file));
  if (table == nullptr) return {};
  POSTERN_CHECK(read_table(*table, options, file, further_keys(options)));
  if constexpr (requires { options.validate(); }) {
    if (const Result<> valid = options.validate(); !valid)
      return error_at(file, *table, "[" + std::string(name) + "] " + valid.error().detail);
  }
  return {};
}

/// "file:line", for errors that come up later, when what is named is opened.
std::string place_of(const std::string& file, const toml::node& node) {
  return fmt::format("{}:{}", file, node.source().begin.line);
}

void note_places(const toml::table& root, Tls& tls, const std::string& file) {
  if (const toml::node* node = root["tls"]["certificate"].node()) tls.certificate_at = place_of(file, *node);
  if (const toml::node* node = root["tls"]["key"].node()) tls.key_at = place_of(file, *node);
}

/// [[tls.more]]
Result<> read_further_certificates(const toml::table& root, Config& config, const std::string& file) {
  const toml::node* node = root["tls"]["more"].node();
  if (node == nullptr) return {};
  const toml::array* array = node->as_array();
  if (array == nullptr) return error_at(file, *node, "more must be a list of tables: [[tls.more]]");
  for (const toml::node& entry : *array) {
    const toml::table* table = entry.as_table();
    if (table == nullptr) return error_at(file, entry, "more must be a list of tables: [[tls.more]]");
    CertificatePair pair;
    POSTERN_CHECK(read_table(*table, pair, file));
    if (pair.certificate.empty() || pair.key.empty())
      return error_at(file, *table, "[[tls.more]] needs both certificate and key");
    pair.at = place_of(file, *table);
    config.tls.more.push_back(std::move(pair));
  }
  if (config.tls.certificate.empty())
    return error_at(file, *node, "[[tls.more]] needs a first certificate in [tls]");
  return {};
}

/// `preset` of a [smarthost.NAME]: what the table begins with.
Result<> start_from_preset(const toml::node& node, delivery::Smarthost& smarthost, const std::string& file) {
  const toml::table* table = node.as_table();
  const toml::node* preset = table == nullptr ? nullptr : table->get("preset");
  if (preset == nullptr) return {};
  const auto name = preset->value<std::string>();
  if (name && name->empty()) return {};
  const auto known = name ? shipped_smarthosts().find(*name) : shipped_smarthosts().end();
  if (known != shipped_smarthosts().end()) {
    smarthost = known->second;
    return {};
  }
  std::string all;
  for (const auto& [each, values] : shipped_smarthosts()) all += (all.empty() ? "" : ", ") + each;
  return error_at(file, *preset, "preset must be one of " + all);
}

/// `place`: "file:line" of the option that names it.
Result<> check_smarthost_exists(const Config& config, const std::string& place, const std::string& key,
                                const std::string& name) {
  if (config.smarthosts.contains(name)) return {};
  return fail(Errc::Malformed,
              place + ": " + key + " names \"" + name + "\", but there is no [smarthost." + name + "]");
}

Result<> read_smarthosts(const toml::table& root, Config& config, const std::string& file) {
  POSTERN_TRY(const toml::table* const all, table_at(root, "smarthost", file));
  Problems problems;
  if (all != nullptr) {
    for (const auto& [key, node] : *all) {
      const std::string name(key.str());
      problems.add(start_from_preset(node, config.smarthosts[name], file));
      problems.add(read_section(*all, name.c_str(), config.smarthosts[name], file));
      config.smarthost_places[name] =
          fmt::format("{}:{}:{}", file, node.source().begin.line, node.source().begin.column);
    }
  }
  if (const toml::node* named = root["delivery"]["smarthost"].node();
      named != nullptr && config.delivery.mode == delivery::Mode::Smarthost &&
      !config.delivery.smarthost.empty())
    problems.add(check_smarthost_exists(config, place_of(file, *named), "delivery.smarthost",
                                        config.delivery.smarthost));
  return problems.outcome();
}

Result<> read_providers(const toml::table& root, Config& config, const std::string& file) {
  config.providers = shipped_providers();
  POSTERN_TRY(const toml::table* const all, table_at(root, "provider", file));
  if (all == nullptr) return {};
  Problems problems;
  for (const auto& [key, node] : *all) {
    const std::string name(key.str());
    config.providers[name] = {};
    problems.add(read_section(*all, name.c_str(), config.providers[name], file));
  }
  return problems.outcome();
}

Result<delivery::RouteRule> read_route(const toml::node& entry, const Config& config,
                                       const std::string& file) {
  const toml::table* table = entry.as_table();
  if (table == nullptr) return error_at(file, entry, "route must be a list of tables: [[route]]");
  delivery::RouteRule rule;
  POSTERN_CHECK(read_table(*table, rule, file));
  if (const Result<> valid = rule.validate(); !valid)
    return error_at(file, *table, "[[route]] " + valid.error().detail);
  if (rule.action == delivery::RouteAction::Smarthost)
    POSTERN_CHECK(
        check_smarthost_exists(config, place_of(file, *table), "[[route]] smarthost", rule.smarthost));
  return rule;
}

/// [[route]]
Result<> read_routes(const toml::table& root, Config& config, const std::string& file) {
  const toml::node* node = root.get("route");
  if (node == nullptr) return {};
  const toml::array* array = node->as_array();
  if (array == nullptr) return error_at(file, *node, "route must be a list of tables: [[route]]");
  Problems problems;
  for (const toml::node& entry : *array) {
    Result<delivery::RouteRule> rule = read_route(entry, config, file);
    problems.add(rule);
    if (rule) config.routes.push_back(*std::move(rule));
  }
  return problems.outcome();
}

/// The first limit of a list that is none, or that contradicts one before it, by the place where it is written.
Result<> check_limit_list(const toml::node* list, const std::string& file, const std::string& key) {
  const toml::array* texts = list == nullptr ? nullptr : list->as_array();
  if (texts == nullptr) return {};
  std::vector<guard::Limit> limits;
  for (const toml::node& text : *texts) {
    if (const Result<> added = guard::add_limit(limits, text.value_or(std::string())); !added)
      return error_at(file, text, key + ": " + added.error().detail);
  }
  return {};
}

Result<> read_limits(const toml::table& root, Config& config, const std::string& file) {
  POSTERN_TRY(const toml::table* const all, table_at(root, "limits", file));
  if (all == nullptr) return {};
  POSTERN_CHECK(refuse_unknown(*all, {"person", "app", "bulk", "ip", "domain", "all"}, file));
  Problems problems;
  for (const auto& [key, node] : *all) {
    const std::string name(key.str());
    if (const toml::table* table = node.as_table(); table != nullptr && table->contains("recipients"))
      config.limits[name].first_time.clear();  // our default is meant beside our default of recipients
    const Result<> read = read_section(*all, name.c_str(), config.limits[name], file);
    problems.add(read);
    if (!read) continue;
    for (const guard::Counted what : guard::kAllCounted) {
      const char* list = to_string(what);
      problems.add(
          check_limit_list(node.as_table()->get(list), file, fmt::format("limits.{}.{}", name, list)));
    }
  }
  return problems.outcome();
}

/// The lines of `problems` as the places that they name stand in the file.
Error in_order(const Error& problems, const std::string& file) {
  std::vector<std::pair<unsigned long, std::string>> lines;
  std::istringstream text(problems.detail);
  for (std::string line; std::getline(text, line);) {
    const bool has_place = line.starts_with(file + ":");
    lines.emplace_back(has_place ? std::strtoul(line.c_str() + file.size() + 1, nullptr, 10) : 0, line);
  }
  std::ranges::stable_sort(lines, {}, &std::pair<unsigned long, std::string>::first);
  std::string sorted;
  for (const auto& [place, line] : lines) sorted += (sorted.empty() ? "" : "\n") + line;
  return fail(problems.code, sorted);
}

Result<> check_whole(const Config& config, const std::string& file) {
  if (const Result<> named = config.check("hostname"); !named)  // also when it is not there at all
    return fail(Errc::Malformed, file + ": hostname " + named.error().detail);
  if (config.tls.certificate.empty() != config.tls.key.empty()) {
    return fail(Errc::Malformed, file + ": [tls] needs both certificate and key");
  }
  if (!config.listen.client_certificates.empty() && config.tls.client_ca.empty()) {
    return fail(Errc::Malformed,
                file + ": listen.client_certificates needs tls.client_ca: whose certificates count");
  }
  return {};
}

}  // namespace

Result<> Config::check(std::string_view key) const {
  if (key != "hostname") return {};
  // It goes into the banner, EHLO, Received and reports as it is.
  const Result<> named = mail::check_host_name(hostname);
  if (named) return {};
  return fail(Errc::Malformed,
              "must be a fully qualified name such as \"mail.example.org\": " + named.error().detail);
}

Result<> Listen::check(std::string_view key) const {
  for (const auto& [name, addresses] : {std::pair{"submission", &submission},
                                        {"submissions", &submissions},
                                        {"admin", &admin},
                                        {"client_certificates", &client_certificates}}) {
    if (key != name) continue;
    for (const std::string& address : *addresses) POSTERN_CHECK(net::Endpoint::parse(address));
  }
  return {};
}

Result<> Listen::validate() const {
  std::map<std::string, const char*> taken;
  for (const auto& [name, addresses] :
       {std::pair{"submission", &submission}, {"submissions", &submissions}, {"admin", &admin}}) {
    for (const std::string& address : *addresses) {
      const Result<net::Endpoint> endpoint = net::Endpoint::parse(address);
      if (!endpoint || endpoint->port == 0) continue;  // check() has refused it; each 0 is a port of its own
      const auto [found, is_new] = taken.emplace(endpoint->text(), name);
      if (!is_new)
        return fail(Errc::Malformed, fmt::format("{}: {} is in {} already", name, address, found->second));
    }
  }
  for (const std::string& address : client_certificates) {
    const auto has = [&address](const auto& list) { return std::ranges::find(list, address) != list.end(); };
    if (!has(submission) && !has(submissions))
      return fail(Errc::Malformed,
                  "client_certificates: " + address + " is neither in submission nor in submissions");
  }
  return {};
}

Result<guard::LimitConfig> Config::limit_config() const {
  guard::LimitConfig parsed;
  const std::array<std::pair<const char*, guard::LimitSet*>, 6> sets{{{"person", &parsed.classes[0]},
                                                                      {"app", &parsed.classes[1]},
                                                                      {"bulk", &parsed.classes[2]},
                                                                      {"ip", &parsed.ip},
                                                                      {"domain", &parsed.domain},
                                                                      {"all", &parsed.all}}};
  for (const auto& [name, set] : sets) {
    for (const guard::Counted what : guard::kAllCounted) {
      for (const std::string& text : limits.at(name).of(what)) {
        if (const Result<> added = guard::add_limit(set->of(what), text); !added)
          return fail(Errc::Malformed,
                      fmt::format("limits.{}.{}: {}", name, to_string(what), added.error().detail));
      }
    }
  }
  return parsed;
}

Result<delivery::Map> Config::map() const {
  delivery::Identity identity;
  identity.hostname = hostname;
  // The world's mail comes in at port 25: only there do our own addresses lead back to this machine's mail.
  if (delivery.port == 25) identity.own_addresses = net::local_addresses();
  Result<delivery::Map> made =
      delivery::make_map({delivery, smarthosts, providers, routes, tls_policies}, std::move(identity));
  if (made) return made;
  for (const auto& [name, place] : smarthost_places) {  // a file that the table names cannot be used
    if (made.error().detail.starts_with("[smarthost." + name + "]"))
      return fail(made.error().code, place + ": " + made.error().detail);
  }
  return made;
}

Result<Config> parse(const std::string& text, const std::string& name) {
  toml::table root;
  try {
    root = toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    const auto& at = error.source().begin;
    return fail(Errc::Malformed, name + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) +
                                     ": " + std::string(error.description()));
  }
  Config config;
  Problems problems;
  problems.add(read_table(root, config, name, further_keys(config)));
  for_each_table(config, [&](const char* table, auto& options) {
    if (*table != '\0') problems.add(read_section(root, table, options, name));
  });
  note_places(root, config.tls, name);
  problems.add(read_further_certificates(root, config, name));
  problems.add(read_smarthosts(root, config, name));
  problems.add(read_providers(root, config, name));
  problems.add(read_routes(root, config, name));
  problems.add(read_limits(root, config, name));
  if (problems.none()) problems.add(check_whole(config, name));  // else it may complain of what was not read
  if (!problems.none()) return in_order(problems.outcome().error(), name);
  return config;
}

Result<Config> load(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return fail(Errc::NotFound, path + " is a directory; what is wanted is a file, such as " +
                                    (std::filesystem::path(path) / "postern.toml").string());
  std::ifstream file(path);
  if (!file) return fail(Errc::NotFound, path + ": " + std::strerror(errno));
  std::stringstream text;
  text << file.rdbuf();
  if (file.bad()) return fail(Errc::NotFound, path + ": " + std::strerror(errno));
  return parse(text.str(), path);
}

}  // namespace postern::config
