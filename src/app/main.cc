#include "app/cli/common.h"

int main(int argc, char** argv) {
  using namespace postern::app::cli;
  CLI::App app{"Postern, a mail submission server", "postern"};
  Context context;
  app.add_option("--config", context.config_path, "Configuration file (default /etc/postern/postern.toml)");
  app.add_flag("--json", context.json, "Answer in JSON");
  app.require_subcommand(1);
  app.fallthrough();  // --json may stand behind the verb
  add_serve_commands(app, context);
  add_domain_commands(app, context);
  add_account_commands(app, context);
  add_app_password_commands(app, context);
  add_sender_commands(app, context);
  add_explain_command(app, context);
  add_queue_commands(app, context);
  add_sandbox_commands(app, context);
  add_smarthost_commands(app, context);
  add_config_commands(app, context);
  add_watch_commands(app, context);
  add_check_commands(app, context);
  add_firewall_commands(app, context);
  add_ports_commands(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return context.exit_code;
}
