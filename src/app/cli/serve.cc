#include "app/cli/common.h"
#include "app/dev.h"
#include "app/server.h"

#include <iostream>

namespace postern::app::cli {
namespace {

Result<> run_dev(const std::string& directory) {
  POSTERN_TRY(const DevSetup setup, prepare_dev(directory));
  POSTERN_TRY(const config::Config config, config::load(setup.config_path));
  std::cout << dev_greeting(setup) << std::flush;
  return serve(config, setup.config_path);
}

}  // namespace

void add_serve_commands(CLI::App& app, Context& context) {
  app.add_subcommand("serve", "Run the server")->callback([&context] {
    const Result<config::Config> config = load_config(context);
    report(context, config ? serve(*config, config_path(context)) : Result<>(config.error()));
  });
  static std::string directory = default_dev_directory();
  CLI::App* dev = app.add_subcommand("dev", "Run a server for development on loopback; nothing is sent");
  dev->add_option("--data", directory, "Where it keeps its state");
  dev->callback([&context] { report(context, run_dev(directory)); });
}

}  // namespace postern::app::cli
