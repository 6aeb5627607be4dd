// As whom accounts may send: aliases (addresses and patterns) and grants between accounts.
#include "app/cli/common.h"

#include <iostream>

namespace postern::app::cli {
namespace {

using accounts::Directory;

struct Arguments {
  std::string address;
  std::string account;
  std::string other;
};

/// One line or JSON object: `first` and `second` with their names.
std::string shown_pair(const Context& context, const char* first_name, const std::string& first,
                       const char* second_name, const std::string& second) {
  if (!context.json) return first + '\t' + second;
  return std::string("{\"") + first_name + "\":" + json_text(first) + ",\"" + second_name +
         "\":" + json_text(second) + '}';
}

void print_all(const Context& context, const std::vector<std::string>& lines) {
  std::string json;
  for (const std::string& line : lines) {
    if (context.json) {
      json += (json.empty() ? "" : ",") + line;
    } else {
      std::cout << line << '\n';
    }
  }
  if (context.json) std::cout << '[' << json << "]\n";
}

Result<> list_aliases(const Context& context) {
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_TRY(const auto aliases, directory->aliases());
  std::vector<std::string> lines;
  for (const accounts::Alias& a : aliases)
    lines.push_back(shown_pair(context, "address", a.address, "account", a.account));
  print_all(context, lines);
  return {};
}

Result<> list_grants(const Context& context) {
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_TRY(const auto grants, directory->grants());
  std::vector<std::string> lines;
  for (const accounts::Grant& g : grants)
    lines.push_back(shown_pair(context, "account", g.account, "sends_as", g.other));
  print_all(context, lines);
  return {};
}

Result<> add_alias(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_CHECK(directory->add_alias(arguments.address, arguments.account));
  std::cout << shown_pair(context, "address", arguments.address, "account", arguments.account) << '\n';
  return {};
}

Result<> remove_alias(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_CHECK(directory->remove_alias(arguments.address, arguments.account));
  std::cout << shown_pair(context, "address", arguments.address, "state", "removed") << '\n';
  return {};
}

Result<> add_grant(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_CHECK(directory->add_grant({arguments.account, arguments.other}));
  std::cout << shown_pair(context, "account", arguments.account, "sends_as", arguments.other) << '\n';
  return {};
}

Result<> remove_grant(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_CHECK(directory->remove_grant({arguments.account, arguments.other}));
  std::cout << shown_pair(context, "account", arguments.account, "no_longer_sends_as", arguments.other)
            << '\n';
  return {};
}

}  // namespace

void add_sender_commands(CLI::App& app, Context& context) {
  static Arguments arguments;
  using Action = Result<> (*)(const Context&, const Arguments&);
  const auto verb = [&context](CLI::App* parent, const char* name, const char* help, Action action) {
    CLI::App* command = parent->add_subcommand(name, help);
    command->callback([&context, action] { report(context, action(context, arguments)); });
    return command;
  };
  CLI::App* alias =
      app.add_subcommand("alias", "Further addresses that accounts may send as")->require_subcommand(1);
  CLI::App* adding =
      verb(alias, "add", "Let ACCOUNT send as ADDRESS; also a pattern: *@domain, news-*@domain, *@*.domain",
           add_alias);
  adding->add_option("address", arguments.address, "user@domain or a pattern")->required();
  adding->add_option("account", arguments.account, "user@domain")->required();
  CLI::App* removing =
      verb(alias, "rm", "Remove an alias, from one account or from all that have it", remove_alias);
  removing->add_option("address", arguments.address, "user@domain or a pattern")->required();
  removing->add_option("account", arguments.account, "user@domain");
  verb(alias, "ls", "List aliases", [](const Context& c, const Arguments&) { return list_aliases(c); });

  CLI::App* send_as =
      app.add_subcommand("send-as", "Accounts that may use the addresses of another")->require_subcommand(1);
  for (CLI::App* command : {verb(send_as, "add", "Let ACCOUNT use every address of OTHER", add_grant),
                            verb(send_as, "rm", "Take that back", remove_grant)}) {
    command->add_option("account", arguments.account, "user@domain")->required();
    command->add_option("other", arguments.other, "user@domain")->required();
  }
  verb(send_as, "ls", "List grants", [](const Context& c, const Arguments&) { return list_grants(c); });
}

}  // namespace postern::app::cli
