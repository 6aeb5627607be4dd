#include "probe/check.h"

#include "app/cli/check_arguments.h"
#include "app/cli/common.h"
#include "probe/explain.h"
#include "probe/report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <thread>

namespace postern::app::cli {
namespace {

using std::chrono::seconds;

enum class Show {
  Nothing,   ///< --quiet, --json
  Progress,  ///< what is being waited for, on a terminal
  Steps,     ///< each step as it is done, and progress
};

/// Prints steps as they are done, and on a terminal what is being waited for.
class Progress final : public probe::Watcher {
 public:
  Progress(Show show, const std::string& name)
      : steps_(show == Show::Steps),
        terminal_(show != Show::Nothing && ::isatty(STDERR_FILENO) != 0),
        waiting_("... looking up " + name) {
    wait();
  }
  void dns_done(const probe::DnsSeen& seen) override {
    waiting_ = "... checking " + seen.name;
    print(probe::dns_line(seen));
  }
  void step_done(const probe::EndpointSeen& seen, probe::Step step) override {
    print(probe::step_line(seen, step));
  }
  ~Progress() override { clear(); }

 private:
  void print(const std::string& line) {
    clear();
    if (steps_ && !line.empty()) std::cout << line << std::endl;
    wait();
  }
  void wait() const {
    if (terminal_) std::cerr << waiting_ << std::flush;
  }
  void clear() const {
    if (terminal_) std::cerr << "\r\x1b[K" << std::flush;
  }
  bool steps_;
  bool terminal_;
  std::string waiting_;
};

std::string clock_text() {
  return fmt::format("{:%H:%M:%S}",
                     fmt::localtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
}

Show what_to_show(const Context& context, const CheckArguments& arguments) {
  if (context.json || arguments.quiet) return Show::Nothing;
  return arguments.watch.empty() ? Show::Steps : Show::Progress;
}

/// One check; its exit code. With --watch `last_line` is what was printed before.
int check_once(const Context& context, const CheckArguments& arguments, const PreparedCheck& prepared,
               const probe::Handshaker& tls, std::string* last_line) {
  probe::CheckSeen seen;
  {
    Progress progress(what_to_show(context, arguments),
                      arguments.target.empty() ? arguments.from_domain : arguments.target);
    seen = probe::run_check(prepared.target, prepared.options, prepared.names, tls,
                            seconds{arguments.timeout}, progress);
  }
  const probe::Verdict verdict =
      probe::judge(seen, {.now = SystemClock().now(), .ports_were_asked_for = prepared.ports_asked});
  const std::string explanation = arguments.explain ? probe::explain(seen) : "";
  if (context.json) {
    std::cout << probe::to_json(seen, verdict, explanation) << std::endl;
  } else if (last_line != nullptr) {
    const std::string line = probe::verdict_line(verdict);
    if (line != *last_line) std::cout << clock_text() << ' ' << line << std::endl;
    *last_line = line;
  } else if (arguments.quiet) {
    std::cout << probe::verdict_line(verdict) << '\n';
  } else {
    std::cout << probe::verdict_text(seen, verdict) << explanation;
  }
  return probe::exit_code(verdict.failure);
}

int wrong_command_line(const Error& error) {
  std::cerr << "postern check: " << error.detail << '\n';
  return kWrongCommandLine;
}

/// Runs it all; the exit code.
int check(const Context& context, const CheckArguments& arguments) {
  const Result<PreparedCheck> prepared = prepare_check(arguments);
  if (!prepared) return wrong_command_line(prepared.error());
  const Result<probe::Handshaker> tls = probe::Handshaker::create(arguments.ca_file);
  if (!tls) return wrong_command_line(tls.error());
  for (const std::string& hint : prepared->hints) std::cerr << "postern check: " << hint << '\n';
  std::signal(SIGPIPE, SIG_IGN);  // a server that hangs up is a finding
  if (prepared->watch.count() == 0) return check_once(context, arguments, *prepared, *tls, nullptr);
  std::string last_line;
  for (int round = 1;; ++round) {
    const int code = check_once(context, arguments, *prepared, *tls, &last_line);
    if ((arguments.rounds > 0 && round >= arguments.rounds) || !std::cout) return code;
    std::this_thread::sleep_for(prepared->watch);
  }
}

std::string exit_codes() {
  std::string out =
      "Exit codes (docs/check.md):\n  1   the check itself failed\n  2   the command line is wrong\n";
  for (const probe::FailureRow& row : probe::failures()) {
    out += fmt::format("  {:<3} {:<22} {}\n", static_cast<int>(row.failure), row.name, row.meaning);
  }
  return out;
}

}  // namespace

void add_check_commands(CLI::App& app, Context& context) {
  static CheckArguments arguments;
  CLI::App* const command = app.add_subcommand(
      "check", "Is a mail server reachable and in order; if not, which step fails and whose fault is it");
  add_check_options(*command, arguments);
  command->footer(exit_codes());
  command->callback([&context] { context.exit_code = check(context, arguments); });
}

}  // namespace postern::app::cli
