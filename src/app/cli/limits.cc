// How much an account may send, and how far it is used.
#include "admin/control_client.h"
#include "app/cli/common.h"
#include "app/cli/limit_options.h"
#include "app/limits_report.h"
#include "app/server.h"

#include <boost/json/serialize.hpp>

#include <iostream>

namespace postern::app::cli {
namespace {

namespace json = boost::json;

struct Arguments {
  std::string account;
  LimitOptions limits;
};

/// The running server's answer, or what the files say.
Result<json::value> report_on(const Context& context, const std::string& address) {
  static const SystemClock clock;
  POSTERN_TRY(const config::Config config, load_state_config(context));
  Result<json::value> answer =
      admin::ask(control_path(config), json::object{{"verb", "limits.show"}, {"account", address}});
  if (answer || answer.error().code != Errc::Closed) return answer;
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_TRY(guard::LimitConfig limit_config, config.limit_config());
  POSTERN_TRY(const auto limits,
              guard::Limits::open(config.data_dir + "/limits.db", std::move(limit_config), clock));
  return limits_report(*directory, *limits, address);
}

std::string text_of(const json::value& value) { return std::string(value.as_string()); }

Result<> show(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const json::value answer, report_on(context, arguments.account));
  if (context.json) {
    std::cout << json::serialize(answer) << '\n';
    return {};
  }
  const json::array& all = answer.at("limits").as_array();
  for (const json::value& one : all) {
    std::cout << text_of(one.at("of")) << '\t' << text_of(one.at("counts")) << '\t'
              << text_of(one.at("limit")) << '\t' << one.at("used") << " used, " << one.at("left") << " left";
    if (one.at("next_frees").is_string())
      std::cout << "\tfrees from " << text_of(one.at("next_frees")) << ", all by "
                << text_of(one.at("all_free"));
    std::cout << '\n';
  }
  if (all.empty()) std::cout << arguments.account << ": nothing is limited\n";
  return {};
}

Result<> change(const Context& context, const std::string& address, const std::vector<std::string>& lines) {
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_CHECK(directory->set_limits(address, lines));
  const std::string name = accounts::lower(address);
  if (context.json) {
    std::cout << "{\"account\":" << json_text(name) << ",\"own_limits\":" << json_list(lines) << "}\n";
  } else if (lines.empty()) {
    std::cout << name << ": the limits of its class\n";
  } else {
    for (const std::string& line : lines) std::cout << name << ": " << line << '\n';
  }
  return {};
}

Result<> set(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const std::vector<std::string> lines, arguments.limits.lines());
  if (lines.empty())
    return fail(Errc::Malformed, "name at least one of --messages, --recipients, --first-time");
  return change(context, arguments.account, lines);
}

Result<> clear(const Context& context, const Arguments& arguments) {
  return change(context, arguments.account, {});
}

}  // namespace

void LimitOptions::add_to(CLI::App& command) {
  const auto option = [&command](const char* name, std::vector<std::string>& into, const char* help) {
    command.add_option(name, into, help)->allow_extra_args(false);
  };
  option("--messages", messages, "\"100/1h\", \"100/1h delay\", \"100/1h reject\" or none (repeatable)");
  option("--recipients", recipients, "The same for recipients");
  option("--first-time", first_time, "The same for recipients not written to lately");
}

Result<std::vector<std::string>> LimitOptions::lines() const {
  std::vector<std::string> lines;
  for (const std::string& text : messages) lines.push_back("messages " + text);
  for (const std::string& text : recipients) lines.push_back("recipients " + text);
  for (const std::string& text : first_time) lines.push_back("first_time " + text);
  POSTERN_CHECK(guard::parse_overrides(lines));
  return lines;
}

void add_limits_commands(CLI::App& app, Context& context) {
  static Arguments arguments;
  using Action = Result<> (*)(const Context&, const Arguments&);
  CLI::App* noun = app.add_subcommand("limits", "How much an account may send")->require_subcommand(1);
  const auto verb = [&](const char* name, const char* help, Action action) {
    CLI::App* command = noun->add_subcommand(name, help);
    command->add_option("account", arguments.account, "user@domain")->required();
    command->callback([&context, action] { report(context, action(context, arguments)); });
    return command;
  };
  verb("show", "Its limits, how far they are used and when they free", show);
  CLI::App* setting = verb("set", "Limits of its own, in place of those of its class", set);
  arguments.limits.add_to(*setting);
  verb("clear", "The limits of its class again", clear);
}

}  // namespace postern::app::cli
