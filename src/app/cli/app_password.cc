// Generated passwords for programs.
#include "app/cli/common.h"
#include "guard/limit.h"

#include <charconv>
#include <iostream>

namespace postern::app::cli {
namespace {

using accounts::AppPassword;

struct Arguments {
  std::string account;
  std::string name;
  std::string kind;
  std::string expires;
  std::vector<std::string> senders;
  std::vector<std::string> networks;
  std::vector<std::string> limits;
};

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

/// "90d", "12h", "30m" from now, or "2027-01-31": to the end of that day, UTC.
Result<TimePoint> parse_end(const std::string& text, TimePoint now) {
  using namespace std::chrono;
  constexpr int kMostDays = 36'500;
  const auto bad = fail(Errc::Malformed, text + ": not a time such as 90d, 12h or 2027-01-31");
  if (text.size() == 10 && text[4] == '-' && text[7] == '-') {
    const std::optional<int> y = number(text.substr(0, 4));
    const std::optional<int> m = number(text.substr(5, 2));
    const std::optional<int> d = number(text.substr(8, 2));
    if (!y || !m || !d) return bad;
    const year_month_day date{year{*y}, month{static_cast<unsigned>(*m)}, day{static_cast<unsigned>(*d)}};
    if (!date.ok()) return bad;
    return time_point_cast<milliseconds>(sys_days{date} + days{1});
  }
  if (text.size() < 2) return bad;
  const std::optional<int> count = number(text.substr(0, text.size() - 1));
  if (!count || *count == 0 || *count > kMostDays * 24) return bad;
  switch (text.back()) {
    case 'm':
      return now + minutes{*count};
    case 'h':
      return now + hours{*count};
    case 'd':
      return now + days{*count};
    default:
      return bad;
  }
}

std::string json_of(const AppPassword& one, const std::string& password) {
  std::vector<std::string> networks;
  for (const net::Network& network : one.networks) networks.push_back(network.text());
  std::string json = "{\"account\":" + json_text(one.account) + ",\"name\":" + json_text(one.name);
  if (!password.empty()) json += ",\"password\":" + json_text(password);
  json += ",\"class\":" + (one.kind ? json_text(to_string(*one.kind)) : "null");
  json += ",\"senders\":" + json_list(one.senders) + ",\"networks\":" + json_list(networks);
  json += ",\"limits\":" + json_list(one.limits);
  json += ",\"expires\":" + (one.expires ? json_text(shown(*one.expires)) : "null");
  return json + ",\"created\":" + json_text(shown(one.created)) + '}';
}

Result<AppPassword> wanted(const Arguments& arguments, TimePoint now) {
  AppPassword out;
  out.account = arguments.account;
  out.name = arguments.name;
  out.senders = arguments.senders;
  if (!arguments.kind.empty()) {
    out.kind = accounts::parse_account_class(arguments.kind);
    if (!out.kind) return fail(Errc::Malformed, arguments.kind + ": the class must be person, app or bulk");
  }
  for (const std::string& text : arguments.limits) {
    // "100/1h" is about messages.
    const bool number = !text.empty() && text.front() >= '0' && text.front() <= '9';
    out.limits.push_back(number ? "messages " + text : text);
  }
  POSTERN_CHECK(guard::parse_overrides(out.limits));
  for (const std::string& network : arguments.networks) {
    POSTERN_TRY(out.networks.emplace_back(), net::Network::parse(network));
  }
  if (!arguments.expires.empty()) {
    POSTERN_TRY(out.expires, parse_end(arguments.expires, now));
  }
  return out;
}

/// What the account may not use, its app password cannot use either. A pattern may cover more than there is now.
void note_foreign_senders(accounts::Directory& directory, const AppPassword& one) {
  const std::optional<accounts::Account> account = directory.find(accounts::normal_login(one.account));
  for (const std::string& sender : one.senders) {
    const std::size_t at = sender.rfind('@');
    if (!account || at == std::string::npos || sender.find('*') != std::string::npos) continue;
    if (directory.may_send_as(*account, {sender.substr(0, at), sender.substr(at + 1)})) continue;
    std::cerr << "postern: note: " << account->address << " may not send as " << sender
              << ", so this password cannot be used for that until `postern alias add " << sender << ' '
              << account->address << "`\n";
  }
}

Result<> add(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const AppPassword one, wanted(arguments, SystemClock{}.now()));
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_TRY(const std::string password, directory->add_app_password(one));
  note_foreign_senders(*directory, one);
  if (context.json) {
    POSTERN_TRY(const auto all, directory->app_passwords(one.account));
    for (const AppPassword& made : all) {
      if (made.name == one.name) std::cout << json_of(made, password) << '\n';
    }
    return {};
  }
  std::cout << password << '\n';
  std::cerr << "This password is shown only now. Log in as " << accounts::normal_login(one.account)
            << " with it.\n";
  return {};
}

Result<> list(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_TRY(const auto all, directory->app_passwords(arguments.account));
  std::string json;
  for (const AppPassword& one : all) {
    if (context.json) {
      json += (json.empty() ? "" : ",") + json_of(one, "");
      continue;
    }
    std::cout << one.account << '\t' << one.name << '\t' << (one.kind ? to_string(*one.kind) : "-") << '\t'
              << (one.expires ? "until " + shown(*one.expires) : "no end");
    for (const std::string& sender : one.senders) std::cout << "\tas " << sender;
    for (const net::Network& network : one.networks) std::cout << "\tfrom " << network.text();
    for (const std::string& limit : one.limits) std::cout << "\tat most " << limit;
    std::cout << '\n';
  }
  if (context.json) std::cout << '[' << json << "]\n";
  return {};
}

Result<> remove(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_CHECK(directory->remove_app_password(arguments.account, arguments.name));
  if (context.json) {
    std::cout << "{\"account\":" << json_text(accounts::normal_login(arguments.account))
              << ",\"name\":" << json_text(arguments.name) << ",\"state\":\"removed\"}\n";
  } else {
    std::cout << arguments.name << ": removed; whoever is logged in with it may send no more\n";
  }
  return {};
}

}  // namespace

void add_app_password_commands(CLI::App& app, Context& context) {
  static Arguments arguments;
  using Action = Result<> (*)(const Context&, const Arguments&);
  CLI::App* noun =
      app.add_subcommand("app-password", "Generated passwords for single programs")->require_subcommand(1);
  const auto verb = [&](const char* name, const char* help, Action action) {
    CLI::App* command = noun->add_subcommand(name, help);
    command->callback([&context, action] { report(context, action(context, arguments)); });
    return command;
  };
  CLI::App* adding = verb("add", "Make one and print it, this once", add);
  adding->add_option("account", arguments.account, "user@domain")->required();
  adding->add_option("name", arguments.name, "What it is for, such as printer")->required();
  adding->add_option("--from", arguments.senders, "Only this sender: an address or a pattern (repeatable)")
      ->allow_extra_args(false);
  adding
      ->add_option("--network", arguments.networks,
                   "Only from this network, such as 192.0.2.0/24 (repeatable)")
      ->allow_extra_args(false);
  adding->add_option("--expires", arguments.expires, "When it ends: 90d, 12h or 2027-01-31");
  adding
      ->add_option(
          "--limit", arguments.limits,
          "A limit of its own: \"100/1h\" messages, or \"recipients 100/1h\", \"first_time 20/1d reject\" "
          "(repeatable)")
      ->allow_extra_args(false);
  adding->add_option("--class", arguments.kind,
                     "person, app or bulk: counted apart, against the limits of that class");
  CLI::App* listing = verb("ls", "List them, of one account or of all", list);
  listing->add_option("account", arguments.account, "user@domain");
  CLI::App* removing = verb("rm", "Revoke one at once", remove);
  removing->add_option("account", arguments.account, "user@domain")->required();
  removing->add_option("name", arguments.name)->required();
}

}  // namespace postern::app::cli
