#include "app/cli/common.h"
#include "config/names.h"

#include <iostream>

namespace postern::app::cli {
namespace {

using accounts::Account;
using accounts::Directory;

struct Arguments {
  std::string address;
  std::string kind = "person";
  bool from_stdin = false;
  bool is_hash = false;
};

const char* state_of(const Account& account) { return account.suspended ? "suspended" : "active"; }

std::string json_of(const Account& account) {
  return "\"address\":" + json_text(account.address) + ",\"class\":\"" + to_string(account.kind) +
         "\",\"state\":\"" + state_of(account) + '"';
}

/// Naming the nearest of `names`.
Error no_account(const std::string& address, const std::vector<std::string>& names) {
  const std::string nearest = config::nearest_name(address, names);
  return fail(Errc::NotFound,
              "no account " + address + (nearest.empty() ? "" : "; did you mean " + nearest + "?"));
}

Result<Account> named(Directory& directory, const std::string& address) {
  POSTERN_TRY(const auto all, directory.accounts());
  std::vector<std::string> names;
  for (const Account& account : all) {
    if (account.address == accounts::normal_login(address)) return account;
    names.push_back(account.address);
  }
  return no_account(address, names);
}

/// The account as it is after a change, so that the outcome can be seen and parsed.
Result<> tell(const Context& context, Directory& directory, const std::string& address, const char* what) {
  POSTERN_TRY(const Account account, named(directory, address));
  if (context.json) {
    std::cout << '{' << json_of(account) << "}\n";
  } else {
    std::cout << account.address << ": " << what << '\n';
  }
  return {};
}

Result<accounts::AccountClass> class_of(const Arguments& arguments) {
  const std::optional<accounts::AccountClass> kind = accounts::parse_account_class(arguments.kind);
  if (!kind) return fail(Errc::Malformed, arguments.kind + ": the class must be person, app or bulk");
  return *kind;
}

Result<> add(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const accounts::AccountClass kind, class_of(arguments));
  POSTERN_TRY(const std::string name, accounts::normal_address(arguments.address));
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_TRY(const std::string password, read_password());
  POSTERN_CHECK(arguments.is_hash ? directory->add_account(name, password, kind)
                                  : directory->add_account_with_password(name, password, kind));
  const std::string domain = name.substr(name.rfind('@') + 1);
  if (!directory->domain(domain)) {
    std::cerr << "postern: note: there is no DKIM key for " << domain
              << " yet, so mail from this address will be refused until `postern domain add " << domain
              << "`\n";
  }
  return tell(context, *directory, name, "added");
}

Result<> change_password(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_TRY([[maybe_unused]] const Account account, named(*directory, arguments.address));
  POSTERN_TRY(const std::string password, read_password());
  POSTERN_CHECK(arguments.is_hash ? directory->set_password_hash(arguments.address, password)
                                  : directory->set_password(arguments.address, password));
  return tell(context, *directory, arguments.address, "password changed");
}

Result<> remove(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_TRY(const Account account, named(*directory, arguments.address));
  POSTERN_CHECK(directory->remove_account(arguments.address));
  if (context.json) {
    std::cout << "{\"address\":" << json_text(account.address) << ",\"state\":\"removed\"}\n";
  } else {
    std::cout << account.address << ": removed\n";
  }
  return {};
}

Result<> list(const Context& context) {
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_TRY(const auto all, directory->accounts());
  std::string json;
  for (const Account& account : all) {
    if (context.json) {
      json += (json.empty() ? "{" : ",{") + json_of(account) + '}';
    } else {
      std::cout << account.address << '\t' << to_string(account.kind) << '\t' << state_of(account) << '\n';
    }
  }
  if (context.json) std::cout << '[' << json << "]\n";
  return {};
}

/// Everything that decides what the account may do.
Result<> show(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_TRY(const Account account, named(*directory, arguments.address));
  POSTERN_TRY(const auto aliases, directory->aliases());
  POSTERN_TRY(const auto grants, directory->grants());
  POSTERN_TRY(const auto app_passwords, directory->app_passwords(account.address));
  std::vector<std::string> own;
  std::vector<std::string> others;
  std::vector<std::string> programs;
  for (const accounts::Alias& alias : aliases) {
    if (alias.account == account.address) own.push_back(alias.address);
  }
  for (const accounts::Grant& grant : grants) {
    if (grant.account == account.address) others.push_back(grant.other);
  }
  for (const accounts::AppPassword& one : app_passwords) programs.push_back(one.name);
  if (context.json) {
    std::cout << '{' << json_of(account) << ",\"aliases\":" << json_list(own)
              << ",\"send_as\":" << json_list(others) << ",\"app_passwords\":" << json_list(programs)
              << "}\n";
    return {};
  }
  std::cout << account.address << "\nclass\t" << to_string(account.kind) << "\nstate\t" << state_of(account)
            << '\n';
  for (const std::string& one : own) std::cout << "alias\t" << one << '\n';
  for (const std::string& one : others) std::cout << "sends as\t" << one << '\n';
  for (const std::string& one : programs) std::cout << "app password\t" << one << '\n';
  return {};
}

}  // namespace

void add_account_commands(CLI::App& app, Context& context) {
  static Arguments arguments;
  CLI::App* account = app.add_subcommand("account", "Who may log in")->require_subcommand(1);
  const auto verb = [&](const char* name, const char* help, auto action) {
    CLI::App* command = account->add_subcommand(name, help);
    command->add_option("address", arguments.address, "user@domain")->required();
    command->callback([&context, action] { report(context, action(context, arguments)); });
    return command;
  };
  const auto with_password = [](CLI::App* command) {
    command->add_flag("--password-stdin", arguments.from_stdin,
                      "Read the password from standard input (also the default)");
    command->add_flag(
        "--hash", arguments.is_hash,
        "What is read is a hash from elsewhere: Argon2, crypt(3), {SSHA}, {PLAIN} ...; it becomes "
        "Argon2id at the next login");
    return command;
  };
  with_password(verb("add", "Add an account", add))
      ->add_option("--class", arguments.kind, "person, app or bulk: decides the default limits");
  with_password(verb("passwd", "Change a password; counts at once", change_password));
  const auto changed = [](auto change, const char* what) {
    return [change, what](const Context& c, const Arguments& a) -> Result<> {
      POSTERN_TRY(const auto directory, open_directory(c));
      POSTERN_TRY([[maybe_unused]] const Account known, named(*directory, a.address));
      POSTERN_CHECK(change(*directory, a));
      return tell(c, *directory, a.address, what);
    };
  };
  verb("suspend", "Stop an account at once",
       changed([](Directory& d, const Arguments& a) { return d.set_suspended(a.address, true); },
               "suspended"));
  verb("resume", "Let it send again",
       changed([](Directory& d, const Arguments& a) { return d.set_suspended(a.address, false); }, "active"));
  verb("class", "Change the class of an account",
       changed(
           [](Directory& d, const Arguments& a) -> Result<> {
             POSTERN_TRY(const accounts::AccountClass kind, class_of(a));
             return d.set_class(a.address, kind);
           },
           "class changed"))
      ->add_option("class", arguments.kind, "person, app or bulk")
      ->required();
  verb("rm", "Remove an account, its aliases and app passwords", remove);
  verb("show", "What an account may do", show);
  account->add_subcommand("ls", "List accounts")->callback([&context] { report(context, list(context)); });
}

}  // namespace postern::app::cli
