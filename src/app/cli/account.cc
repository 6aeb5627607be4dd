#include "accounts/password.h"
#include "app/cli/common.h"

#include <iostream>

namespace postern::app::cli {
namespace {

struct Arguments {
  std::string address;
  std::string account;
  std::string kind = "person";
  bool from_stdin = false;
  bool is_hash = false;
};

Result<std::string> password_hash(const Arguments& arguments) {
  POSTERN_TRY(const std::string password, read_password());
  if (arguments.is_hash) return password;
  return accounts::hash_password(password);
}

Result<> add(const Context& context, const Arguments& arguments) {
  const std::optional<accounts::AccountClass> kind = accounts::parse_account_class(arguments.kind);
  if (!kind) return fail(Errc::Malformed, "--class must be person, app or bulk");
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_TRY(const std::string hash, password_hash(arguments));
  return directory->add_account(arguments.address, hash, *kind);
}

Result<> change_password(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_TRY(const std::string hash, password_hash(arguments));
  return directory->set_password_hash(arguments.address, hash);
}

Result<> list(const Context& context) {
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_TRY(const auto accounts, directory->accounts());
  std::string json;
  for (const accounts::Account& a : accounts) {
    const char* state = a.suspended ? "suspended" : "active";
    if (context.json) {
      json += (json.empty() ? "" : ",") + std::string("{\"address\":") + json_text(a.address) +
              ",\"class\":\"" + to_string(a.kind) + "\",\"state\":\"" + state + "\"}";
    } else {
      std::cout << a.address << '\t' << to_string(a.kind) << '\t' << state << '\n';
    }
  }
  if (context.json) std::cout << '[' << json << "]\n";
  return {};
}

Result<> list_aliases(const Context& context) {
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_TRY(const auto aliases, directory->aliases());
  std::string json;
  for (const accounts::Alias& a : aliases) {
    if (context.json) {
      json += (json.empty() ? "" : ",") + std::string("{\"address\":") + json_text(a.address) +
              ",\"account\":" + json_text(a.account) + "}";
    } else {
      std::cout << a.address << '\t' << a.account << '\n';
    }
  }
  if (context.json) std::cout << '[' << json << "]\n";
  return {};
}

}  // namespace

void add_account_commands(CLI::App& app, Context& context) {
  static Arguments arguments;
  CLI::App* account = app.add_subcommand("account", "Who may log in")->require_subcommand(1);
  const auto verb = [&](CLI::App* parent, const char* name, const char* help, auto action) {
    CLI::App* command = parent->add_subcommand(name, help);
    command->add_option("address", arguments.address, "user@domain")->required();
    command->callback([&context, action] { report(context, action()); });
    return command;
  };
  const auto with_password = [](CLI::App* command) {
    command->add_flag("--password-stdin", arguments.from_stdin,
                      "Read the password from standard input (also the default)");
    command->add_flag("--hash", arguments.is_hash, "What is read is a crypt(3) or Argon2 hash");
    return command;
  };
  with_password(verb(account, "add", "Add an account", [&context] {
    return add(context, arguments);
  }))->add_option("--class", arguments.kind, "person, app or bulk: decides the default limits");
  with_password(verb(account, "passwd", "Change a password",
                     [&context] { return change_password(context, arguments); }));
  const auto on_directory = [&context](auto change) {
    return [&context, change]() -> Result<> {
      POSTERN_TRY(const auto directory, open_directory(context));
      return change(*directory);
    };
  };
  using Directory = accounts::Directory;
  verb(account, "suspend", "Stop an account at once",
       on_directory([](Directory& d) { return d.set_suspended(arguments.address, true); }));
  verb(account, "resume", "Let it send again",
       on_directory([](Directory& d) { return d.set_suspended(arguments.address, false); }));
  verb(account, "rm", "Remove an account",
       on_directory([](Directory& d) { return d.remove_account(arguments.address); }));
  account->add_subcommand("ls", "List accounts")->callback([&context] { report(context, list(context)); });

  CLI::App* alias =
      app.add_subcommand("alias", "Further addresses that accounts may send as")->require_subcommand(1);
  verb(alias, "add", "Let ACCOUNT send as ADDRESS; *@domain is every address of the domain",
       on_directory([](Directory& d) { return d.add_alias(arguments.address, arguments.account); }))
      ->add_option("account", arguments.account)
      ->required();
  verb(alias, "rm", "Remove an alias",
       on_directory([](Directory& d) { return d.remove_alias(arguments.address); }));
  alias->add_subcommand("ls", "List aliases")->callback([&context] {
    report(context, list_aliases(context));
  });
}

}  // namespace postern::app::cli
