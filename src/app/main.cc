#include "app/cli/common.h"
#include "app/cli/complaint.h"
#include "app/process_metrics.h"

#include <sys/stat.h>

#include <iostream>

int main(int argc, char** argv) {
  using namespace postern::app;
  ::umask(0077);  // keys, mail and passwords are in what we write
  CLI::App app{"Postern, a mail submission server", "postern"};
  cli::Context context;
  app.add_option("--config", context.config_path, "Configuration file (default /etc/postern/postern.toml)");
  app.add_flag("--json", context.json, "Answer in JSON");
  app.set_version_flag("--version", std::string("postern ") + version());
  app.footer(
      "Exit codes: 0 done; 1 refused or failed, with one sentence on standard error; 2 the command line is "
      "wrong.\n"
      "To begin: postern dev (nothing is sent), or postern setup (a first deployment).");
  app.require_subcommand(1);
  app.fallthrough();  // --json may stand behind the verb
  cli::add_setup_commands(app, context);
  cli::add_serve_commands(app, context);
  cli::add_config_commands(app, context);
  cli::add_domain_commands(app, context);
  cli::add_account_commands(app, context);
  cli::add_app_password_commands(app, context);
  cli::add_sender_commands(app, context);
  cli::add_explain_command(app, context);
  cli::add_queue_commands(app, context);
  cli::add_sandbox_commands(app, context);
  cli::add_smarthost_commands(app, context);
  cli::add_tls_commands(app, context);
  cli::add_limits_commands(app, context);
  cli::add_watch_commands(app, context);
  cli::add_check_commands(app, context);
  cli::add_firewall_commands(app, context);
  cli::add_ports_commands(app, context);
  cli::add_doctor_commands(app, context);
  cli::add_completion_commands(app, context);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    std::cerr << "postern: " << cli::complaint(app, error) << '\n';
    return cli::kWrongCommandLine;
  }
  return context.exit_code;
}
