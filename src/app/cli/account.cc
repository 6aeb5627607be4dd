#include "app/cli/common.h"
#include "app/cli/frozen.h"
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

/// "held": it is not suspended, but nothing of it leaves.
const char* state_of(const Account& account, const Frozen* frozen) {
  if (account.suspended) return "suspended";
  return frozen == nullptr ? "active" : "held";
}

std::string json_of(const Account& account, const Frozen* frozen) {
  std::string out = "\"address\":" + json_text(account.address) + ",\"class\":\"" + to_string(account.kind) +
                    "\",\"state\":\"" + state_of(account, frozen) + '"';
  if (frozen != nullptr)
    out += ",\"held_since\":" + json_text(frozen->since) + ",\"held_because\":" + json_text(frozen->reason);
  return out;
}

/// None when the queue cannot be asked: accounts can be told about all the same.
FrozenAccounts frozen_now(const Context& context) {
  const Result<config::Config> config = load_state_config(context);
  if (!config) return {};
  Result<FrozenAccounts> all = frozen_accounts(*config);
  if (all) return *std::move(all);
  std::cerr << "postern: note: whose mail is held cannot be told: " << all.error().detail << '\n';
  return {};
}

const Frozen* of_account(const FrozenAccounts& all, const Account& account) {
  const auto found = all.find(account.address);
  return found == all.end() ? nullptr : &found->second;
}

/// Mail that was accepted before still leaves, which may not be what is wanted.
void note_waiting_mail(const Context& context, const std::string& address, const char* freeze) {
  const Result<config::Config> config = load_state_config(context);
  if (!config) return;
  const Result<FrozenAccounts> frozen = frozen_accounts(*config);
  if (frozen && frozen->contains(address)) return;
  const Result<std::size_t> waiting = waiting_of(*config, address);
  if (!waiting || *waiting == 0) return;
  std::cerr << "postern: note: " << *waiting << (*waiting == 1 ? " message" : " messages") << " of "
            << address << " in the queue will still be sent; postern queue " << freeze << ' ' << address
            << " keeps that from being sent, postern queue rm --account " << address << " removes it\n";
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
    const FrozenAccounts frozen = frozen_now(context);
    std::cout << '{' << json_of(account, of_account(frozen, account)) << "}\n";
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
    std::cout << account.address << ": removed\n" << std::flush;
  }
  note_waiting_mail(context, account.address, "hold --account");
  return {};
}

Result<> list(const Context& context) {
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_TRY(const auto all, directory->accounts());
  const FrozenAccounts frozen = frozen_now(context);
  std::string json;
  for (const Account& account : all) {
    if (context.json) {
      json += (json.empty() ? "{" : ",{") + json_of(account, of_account(frozen, account)) + '}';
    } else {
      std::cout << account.address << '\t' << to_string(account.kind) << '\t'
                << state_of(account, of_account(frozen, account)) << '\n';
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
  const FrozenAccounts all_frozen = frozen_now(context);
  const Frozen* const frozen = of_account(all_frozen, account);
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
    std::cout << '{' << json_of(account, frozen) << ",\"aliases\":" << json_list(own)
              << ",\"send_as\":" << json_list(others) << ",\"app_passwords\":" << json_list(programs)
              << "}\n";
    return {};
  }
  std::cout << account.address << "\nclass\t" << to_string(account.kind) << "\nstate\t"
            << state_of(account, frozen) << '\n';
  if (frozen != nullptr) std::cout << "its mail\t" << shown(account.address, *frozen) << '\n';
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
       [suspend = changed([](Directory& d, const Arguments& a) { return d.set_suspended(a.address, true); },
                          "suspended")](const Context& c, const Arguments& a) -> Result<> {
         POSTERN_CHECK(suspend(c, a));
         std::cout << std::flush;
         note_waiting_mail(c, accounts::normal_login(a.address), "freeze");
         return {};
       });
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
