#pragma once

#include "accounts/directory.h"
#include "config/config.h"

#include <CLI/CLI.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace postern::app::cli {

/// Exit codes: 0 done; 1 refused or failed, with a sentence on standard error; 2 the command line is wrong.
constexpr int kFailed = 1;
constexpr int kWrongCommandLine = 2;

/// What every verb shares.
struct Context {
  std::string config_path;  ///< --config; empty: /etc/postern/postern.toml, or else the developer's
  bool json = false;
  int exit_code = 0;
};

/// The configuration that --config, or its default, names. Error: with the path.
[[nodiscard]] Result<config::Config> load_config(const Context& context);
[[nodiscard]] std::string config_path(const Context& context);
/// For verbs that need little more than the data directory. When the file has a mistake, a warning names it, and the
/// verb goes on with what the server runs with or ran with last; or, where that is not known, with the defaults in the
/// data directory that the file names. Error: as load_config(), when there is no such directory either.
[[nodiscard]] Result<config::Config> load_state_config(const Context& context);
/// The directory that the configuration names, for state verbs; the server may run at the same time.
[[nodiscard]] Result<std::unique_ptr<accounts::Directory>> open_directory(const Context& context);

/// Root becomes the owner of the data directory, for good: what it creates there must be usable by the service.
[[nodiscard]] Result<> act_as_owner_of(const std::string& data_dir);

/// Runs a verb and turns its Error into a message and an exit code.
void report(Context& context, const Result<>& outcome);
/// A JSON string.
[[nodiscard]] std::string json_text(std::string_view text);
/// "2026-11-24T12:00:00Z"
[[nodiscard]] std::string shown(TimePoint when);
/// The first line of standard input, without echo on a terminal; `what` is the word for the prompt: "password".
/// Error: Malformed when it is empty.
[[nodiscard]] Result<std::string> read_secret(const std::string& what);
/// The first line of standard input; on a terminal without echo, and asked for twice. Malformed: it is empty, or they
/// differ.
[[nodiscard]] Result<std::string> read_password();

/// For options that take a port: from 1 to 65535.
[[nodiscard]] CLI::Validator port_number();

/// ["a","b"]
[[nodiscard]] std::string json_list(const std::vector<std::string>& texts);

void add_account_commands(CLI::App& app, Context& context);
void add_app_password_commands(CLI::App& app, Context& context);
void add_check_commands(CLI::App& app, Context& context);
void add_completion_commands(CLI::App& app, Context& context);
void add_config_commands(CLI::App& app, Context& context);
void add_doctor_commands(CLI::App& app, Context& context);
void add_domain_commands(CLI::App& app, Context& context);
void add_explain_command(CLI::App& app, Context& context);
void add_firewall_commands(CLI::App& app, Context& context);
void add_limits_commands(CLI::App& app, Context& context);
void add_ports_commands(CLI::App& app, Context& context);
void add_queue_commands(CLI::App& app, Context& context);
void add_sandbox_commands(CLI::App& app, Context& context);
void add_sender_commands(CLI::App& app, Context& context);
void add_smarthost_commands(CLI::App& app, Context& context);
void add_serve_commands(CLI::App& app, Context& context);
void add_setup_commands(CLI::App& app, Context& context);
void add_tls_commands(CLI::App& app, Context& context);
void add_watch_commands(CLI::App& app, Context& context);

}  // namespace postern::app::cli
