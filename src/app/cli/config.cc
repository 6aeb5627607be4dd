#include "admin/control_client.h"
#include "app/cli/common.h"
#include "app/reload.h"
#include "app/server.h"
#include "base/problems.h"
#include "config/catalogue.h"
#include "config/changes.h"

#include <fstream>
#include <iostream>

namespace postern::app::cli {
namespace {

std::string json_of(const config::Option& option) {
  return "{\"key\":" + json_text(option.key()) + ",\"value\":" + option.value +
         ",\"default\":" + option.default_value +
         ",\"is_default\":" + (option.is_default() ? "true" : "false") +
         ",\"kind\":" + json_text(option.kind) +
         ",\"range\":" + (option.range.empty() ? "null" : json_text(option.range)) + ",\"takes_effect\":\"" +
         (option.reload == Reload::Live ? "reload" : "restart") + "\",\"help\":" + json_text(option.help) +
         '}';
}

Result<> check_readable(const char* key, const std::string& path) {
  if (path.empty() || std::ifstream(path)) return {};
  return fail(Errc::NotFound, std::string(key) + ": cannot read " + path);
}

/// What a text can only name: certificates, passwords in files of their own.
Result<> check_files(const config::Config& config) {
  Problems problems;
  if (config.accounts.backend == accounts::BackendKind::Ldap)
    problems.add(accounts::LdapBackend::create(config.ldap));
  problems.add(check_readable("ldap.ca_file", config.ldap.ca_file));
  problems.add(check_readable("oauth.client_secret_file", config.oauth.client_secret_file));
  problems.add(check_readable("oauth.ca_file", config.oauth.ca_file));
  problems.add(check_readable("dns.trust_anchor", config.dns.trust_anchor));
  problems.add(check_readable("watch.webhook_secret_file", config.watch.webhook_secret_file));
  const std::string client_ca = config.listen.client_certificates.empty() ? "" : config.tls.client_ca;
  if (!config.tls.certificate.empty())
    problems.add(net::TlsServer::load(certificate_files(config.tls), client_ca));
  problems.add(delivery_settings(config));
  return problems.outcome();
}

/// Somebody answers there; whether an asker may ask does not matter.
bool server_runs(const config::Config& config) {
  const auto answer = admin::ask(control_path(config), {{"verb", "queue.frozen"}});
  return answer || answer.error().code != Errc::Closed;
}

/// Right or wrong; and what a reload of it would do to the server that runs.
Result<> check(const Context& context) {
  POSTERN_TRY(const config::Config config, load_config(context));
  POSTERN_CHECK(check_files(config));
  // A server that runs no more has left its file behind; the next one begins with this one.
  const bool runs = server_runs(config);
  const Result<config::Config> running = config::load(running_config_path(config));
  config::Changes changes;
  if (runs && running) changes = config::changes(*running, config);
  if (context.json) {
    std::cout << "{\"file\":" << json_text(config_path(context))
              << ",\"ok\":true,\"server_runs\":" << (runs ? "true" : "false")
              << ",\"takes_effect_on_reload\":" << json_list(changes.live)
              << ",\"needs_restart\":" << json_list(changes.restart) << "}\n";
    return {};
  }
  std::cout << config_path(context) << ": ok\n";
  if (!changes.live.empty())
    std::cout << "Takes effect on reload (SIGHUP): " << config::shown(changes.live) << '\n';
  if (!changes.restart.empty()) std::cout << "Needs a restart: " << config::shown(changes.restart) << '\n';
  return {};
}

Result<> show(const Context& context) {
  POSTERN_TRY(const config::Config config, load_config(context));
  if (!context.json) {
    std::cout << config::effective_toml(config);
    return {};
  }
  std::string json;
  for (const config::Option& option : config::options_of(config))
    json += (json.empty() ? "" : ",\n ") + json_of(option);
  std::cout << '[' << json << "]\n";
  return {};
}

/// Works without a configuration file too: then it tells of the defaults.
Result<> explain(const Context& context, const std::string& key) {
  const Result<config::Config> config = load_config(context);
  if (!config && config.error().code != Errc::NotFound) return config.error();
  POSTERN_TRY(const config::Option option, config::find_option(config ? *config : config::Config{}, key));
  if (context.json) {
    std::cout << json_of(option) << '\n';
    return {};
  }
  std::cout << option.key() << " = " << option.value << (option.is_default() ? "  (the default)\n" : "\n")
            << "  " << option.help << "\n  It is " << option.kind
            << (option.range.empty() ? "" : ", from " + option.range) << ". Default: " << option.default_value
            << ".\n  A change "
            << (option.reload == Reload::Live ? "takes effect on reload (SIGHUP)" : "needs a restart")
            << ".\n";
  return {};
}

}  // namespace

void add_config_commands(CLI::App& app, Context& context) {
  static std::string key;
  CLI::App* config = app.add_subcommand("config", "The configuration file")->require_subcommand(1);
  config->add_subcommand("check", "Say whether it is right, or what is wrong and where")
      ->callback([&context] { report(context, check(context)); });
  config->add_subcommand("show", "Print the whole configuration, defaults marked")->callback([&context] {
    report(context, show(context));
  });
  CLI::App* explaining = config->add_subcommand("explain", "What an option does, its range and default");
  explaining->add_option("key", key, "Such as submission.max_message")->required();
  explaining->callback([&context] { report(context, explain(context, key)); });
  config->add_subcommand("example", "Print a configuration file with every option, commented out")
      ->callback([] { std::cout << config::annotated_toml(); });
  config->add_subcommand("reference", "Print the page about every option (Markdown)")->callback([] {
    std::cout << config::options_page();
  });
}

}  // namespace postern::app::cli
