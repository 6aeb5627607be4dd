#include "app/cli/common.h"

#include <iostream>

namespace postern::app::cli {

void add_config_commands(CLI::App& app, Context& context) {
  CLI::App* config = app.add_subcommand("config", "The configuration file")->require_subcommand(1);
  config->add_subcommand("check", "Say whether it is right, or what is wrong and where")
      ->callback([&context] {
        const Result<config::Config> loaded = load_config(context);
        report(context, loaded ? Result<>{} : Result<>(loaded.error()));
        if (loaded) std::cout << config_path(context) << ": ok\n";
      });
}

}  // namespace postern::app::cli
