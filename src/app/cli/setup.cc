#include "app/cli/common.h"
#include "app/setup/files.h"
#include "app/setup/install.h"
#include "app/setup/records.h"
#include "config/names.h"

#include <termios.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>

namespace postern::app::cli {
namespace {

struct Given {
  std::map<std::string, std::string> flags;  ///< by the question's name
  std::string answers_file;
  std::string password_file;
  std::string smarthost_password_file;
  bool yes = false;
  bool dry_run = false;
  bool overwrite = false;
  bool no_service = false;
};

Error wrong_answer(const std::string& where, const Question& question, const std::string& reason) {
  return fail(Errc::Malformed, where + question.name + ": " + reason);
}

/// Answers from a TOML file: name = "text". Error: file:line and the nearest question.
Result<std::map<std::string, std::string>> read_answers(const std::string& path) {
  std::map<std::string, std::string> answers;
  POSTERN_TRY(const std::string text, read_file(path));
  toml::table table;
  try {
    table = toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    return fail(Errc::Malformed, path + ":" + std::to_string(error.source().begin.line) + ": " +
                                     std::string(error.description()));
  }
  std::vector<std::string> names;
  for (const Question& question : setup_questions()) names.emplace_back(question.name);
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    const std::string where = path + ":" + std::to_string(node.source().begin.line) + ": ";
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      const std::string near = config::nearest_name(name, names);
      return fail(Errc::Malformed, where + "no question \"" + name + "\"" +
                                       (near.empty() ? "" : "; did you mean " + near + "?"));
    }
    if (const auto number = node.value_exact<std::int64_t>()) {
      answers[name] = std::to_string(*number);
    } else if (const auto value = node.value_exact<std::string>()) {
      answers[name] = *value;
    } else {
      return fail(Errc::Malformed, where + name + " must be a text in quotes");
    }
  }
  return answers;
}

/// A line from the terminal or a pipe; Closed at its end.
Result<std::string> read_line(bool secret) {
  termios old{};
  const bool silent = secret && ::isatty(STDIN_FILENO) != 0 && ::tcgetattr(STDIN_FILENO, &old) == 0;
  if (silent) {
    termios without_echo = old;
    without_echo.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &without_echo);
  }
  std::string line;
  const bool got = static_cast<bool>(std::getline(std::cin, line));
  if (silent) {
    ::tcsetattr(STDIN_FILENO, TCSANOW, &old);
    std::cerr << '\n';
  }
  if (!got) return fail(Errc::Closed, "the answers ended");
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
  return line;
}

/// Asks until the answer can be used.
Result<> ask(const Question& question, Answers& answers) {
  const std::string fallback = question.fallback(answers);
  for (;;) {
    std::cerr << question.text << (fallback.empty() ? "" : " [" + fallback + "]") << ": " << std::flush;
    Result<std::string> line = read_line(question.secret);
    if (!line) return wrong_answer("", question, line.error().detail + "; it was not answered");
    const std::string& text = line->empty() ? fallback : *line;
    Result<> good = question.check(answers, text);
    if (good && question.secret && ::isatty(STDIN_FILENO) != 0) {
      std::cerr << "Again: " << std::flush;  // nobody sees what is typed
      const Result<std::string> again = read_line(true);
      if (again && *again != text) good = fail(Errc::Malformed, "the two differ");
    }
    if (good) {
      answers.*question.answer = text;
      return {};
    }
    std::cerr << "  No: " << good.error().detail << ".\n";
  }
}

/// Every question: from a flag, the answers' file, the terminal, or its default, in this order.
Result<Answers> collect(const Given& given) {
  std::map<std::string, std::string> known;
  if (!given.answers_file.empty()) {
    POSTERN_TRY(known, read_answers(given.answers_file));
  }
  for (const auto& [name, value] : given.flags) known[name] = value;
  for (const auto& [name, path] : {std::pair{"password", given.password_file},
                                   std::pair{"smarthost_password", given.smarthost_password_file}}) {
    if (path.empty()) continue;
    POSTERN_TRY(std::string text, read_file(path));
    known[name] = text.substr(0, text.find_first_of("\r\n"));
  }
  const bool interactive = !given.yes && given.answers_file.empty();
  Answers answers;
  for (const Question& question : setup_questions()) {
    if (!question.applies(answers)) continue;
    const auto found = known.find(question.name);
    if (found == known.end() && interactive) {
      POSTERN_CHECK(ask(question, answers));
      continue;
    }
    const std::string text = found == known.end() ? question.fallback(answers) : found->second;
    const std::string where = given.answers_file.empty() ? "" : given.answers_file + ": ";
    if (const Result<> good = question.check(answers, text); !good)
      return wrong_answer(where, question, good.error().detail);
    answers.*question.answer = text;
  }
  return in_kept_form(std::move(answers));
}

/// A configuration that is there is only replaced when somebody said so.
Result<bool> may_overwrite(const Given& given, const std::string& path) {
  if (given.overwrite || !std::filesystem::exists(path)) return true;
  if (given.yes || !given.answers_file.empty())
    return fail(Errc::Denied, path + " is there already; with --overwrite it is replaced, and a copy kept");
  std::cerr << path << " is there already. Replace it (a copy is kept)? [no]: " << std::flush;
  POSTERN_TRY(const std::string answer, read_line(false));
  if (answer == "y" || answer == "yes") return true;
  return fail(Errc::Denied, "nothing was changed");
}

void print_records(const Answers& a, const std::string& dkim_record, const std::string& selector) {
  const MailDomain domain{a.domain,    a.hostname,   selector.empty() ? "postern" : selector,
                          dkim_record, a.postmaster, a.relays() ? a.smarthost_host : ""};
  std::cout << "\nPublish these DNS records:\n\n" << zone_file(dns_records(domain));
  if (!a.relays()) {
    std::cout << "; " << a.hostname
              << " needs A and AAAA records, and each of its addresses a PTR record that says " << a.hostname
              << ".\n";
  }
  std::cout << "; MX of " << a.domain
            << " stays with the server that receives its mail: reports of failed deliveries go there.\n";
}

void print_next(const Answers& a, const SetupOptions& options) {
  const std::string with =
      options.paths.config == "/etc/postern/postern.toml" ? "" : " --config " + options.paths.config;
  std::cout << "\nNext:\n";
  if (options.service) {
    std::cout << "  systemctl enable --now postern\n  systemctl status postern; journalctl -u postern\n"
                 "  postern firewall open            # lets clients in on 587 and 465; asks before it "
                 "changes anything\n";
  } else {
    std::cout << "  postern" << with << " serve\n";
  }
  std::cout << "  postern check " << a.hostname << "    # from another machine\n";
  std::cout << "  swaks --server " << a.hostname << " --port 587 --tls --auth PLAIN --auth-user " << a.account
            << " --from " << a.account << " --to somebody@example.net\n  postern" << with << " trace "
            << a.account << '\n';
  if (a.self_signed())
    std::cout << "The certificate is for a trial. Get a real one (such as: certbot certonly --standalone -d "
              << a.hostname << ")\nand run setup again, or put its files in the place of "
              << options.paths.certificate() << " and key.pem.\n";
  if (a.delivery == "direct")
    std::cout
        << "Many networks block port 25 outwards: if deliveries wait with \"timed out\", ask your provider "
           "or use a smarthost.\n";
}

Result<> run(const Context& context, const Given& given) {
  SetupOptions options;
  options.paths.config = std::filesystem::absolute(context.config_path.empty() ? "/etc/postern/postern.toml"
                                                                               : context.config_path);
  options.service = !given.no_service;
  if (options.service && ::geteuid() != 0 && !given.dry_run)
    return fail(Errc::Denied,
                "run it as root, or with --no-service to set up files only (and --config, --data-dir)");
  POSTERN_TRY(const Answers answers, collect(given));
  std::string dkim_record;
  std::string selector;
  const std::vector<SetupStep> steps = setup_steps(answers, options, dkim_record, selector);
  if (given.dry_run) {
    std::cout << "Setup would:\n";
    for (const SetupStep& step : steps) std::cout << "  - " << step.what << '\n';
    std::cout << "  - check the configuration\n\n"
              << options.paths.config << ":\n\n"
              << config_text(answers, options.paths);
    print_records(answers, "", "");
    return {};
  }
  POSTERN_TRY(options.overwrite, may_overwrite(given, options.paths.config));
  for (const SetupStep& step : steps) {
    std::cout << "- " << step.what << '\n';
    if (const Result<> done = step.act(); !done)
      return fail(done.error().code, "could not " + step.what + ": " + done.error().detail);
  }
  POSTERN_CHECK(config::load(options.paths.config));
  std::cout << "- " << options.paths.config << ": ok\n";
  print_records(answers, dkim_record, selector);
  print_next(answers, options);
  return {};
}

}  // namespace

void add_setup_commands(CLI::App& app, Context& context) {
  static Given given;
  CLI::App* setup =
      app.add_subcommand("setup", "First deployment: asks, writes the configuration, says what is next");
  for (const Question& question : setup_questions()) {
    std::string flag = std::string("--") + question.name;
    std::replace(flag.begin(), flag.end(), '_', '-');
    if (question.secret) continue;  // command lines can be read by everybody
    setup->add_option_function<std::string>(
        flag, [name = question.name](const std::string& value) { given.flags[name] = value; }, question.text);
  }
  setup->add_option("--password-file", given.password_file, "Its first line is the account's password");
  setup->add_option("--smarthost-password-file", given.smarthost_password_file,
                    "Its first line is the password at the relay");
  setup->add_option("--answers", given.answers_file, "TOML file with the answers; nothing is asked");
  setup->add_flag("--yes", given.yes, "Ask nothing: take defaults, fail where there is none");
  setup->add_flag("--dry-run", given.dry_run, "Say what would be done, and do nothing");
  setup->add_flag("--overwrite", given.overwrite, "Replace a configuration that is there; a copy is kept");
  setup->add_flag("--no-service", given.no_service, "No system user, no systemd units: files only");
  setup->callback([&context] { report(context, run(context, given)); });
}

}  // namespace postern::app::cli
