#include "admin/control_client.h"
#include "admin/control_server.h"
#include "admin/queue_json.h"
#include "admin/queue_where.h"
#include "app/cli/common.h"
#include "app/cli/frozen.h"
#include "app/cli/running.h"
#include "app/server.h"
#include "queue/history.h"
#include "queue/queue_reader.h"
#include "queue/sqlite_queue.h"
#include "smtp/ascii.h"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>

namespace postern::app::cli {
namespace {

namespace json = boost::json;

net::Task<> apply(Offline& offline, const queue::Filter& filter, queue::Operation operation,
                  Result<queue::Operated>& out) {
  out = co_await offline.queue->operate(offline.loop, filter, operation);
  offline.loop.stop();
}

Result<json::value> operate_on_files(const config::Config& config, const queue::Filter& filter,
                                     queue::Operation operation) {
  if (!has_queue(config)) return json::value(admin::to_json(queue::Operated{}));
  Offline offline;
  POSTERN_CHECK(offline.open(config));
  Result<queue::Operated> done = fail(Errc::Internal, "did not run");
  offline.loop.spawn(apply(offline, filter, operation, done));
  offline.loop.run();
  if (!done) return done.error();
  return json::value(admin::to_json(*done));
}

}  // namespace

Result<json::value> ask_or(const config::Config& config, const json::object& request,
                           const std::function<Result<json::value>()>& offline) {
  Result<json::value> answer = admin::ask(control_path(config), request);
  if (answer || answer.error().code != Errc::Closed) return answer;
  POSTERN_CHECK(act_as_owner_of(config.data_dir));
  return offline();
}

std::string queue_path(const config::Config& config) { return config.data_dir + "/queue.db"; }

bool has_queue(const config::Config& config) {
  std::error_code error;
  return std::filesystem::exists(queue_path(config), error) || error;
}

Result<> Offline::open(const config::Config& config) {
  std::error_code error;
  if (!std::filesystem::exists(config.data_dir, error) && !error)
    return fail(Errc::NotFound, "there is no " + config.data_dir + " yet: postern serve makes it");
  Result<store::FileLock> taken = store::FileLock::take(config.data_dir + "/lock");
  if (!taken) {
    return fail(Errc::Unavailable,
                "the server is just starting or ending; try again (" + taken.error().detail + ")");
  }
  lock.emplace(*std::move(taken));
  POSTERN_TRY(queue, queue::SqliteQueue::open(queue_path(config), config.queue, clock));
  return {};
}

namespace {

struct Arguments {
  std::string id;
  std::string what;
  queue::Filter filter;
  std::string where;
  std::string by;
  std::string reason;
  std::size_t limit = 0;  // 0: not given
  bool all = false;
  bool dry_run = false;
};

Result<queue::Filter> filter_of(const Arguments& arguments, std::size_t default_limit) {
  queue::Filter filter = arguments.filter;
  filter.limit = arguments.limit == 0 ? default_limit : arguments.limit;
  if (!arguments.id.empty()) {
    const std::optional<std::int64_t> id = parse_id_text(arguments.id);
    if (!id) return fail(Errc::Malformed, "not a queue id: " + arguments.id);
    filter.id = QueueId{*id};
  }
  POSTERN_CHECK(admin::narrow(filter, arguments.where, SystemClock().now()));
  return filter;
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return "";
  return value->is_string() ? std::string(value->as_string()) : json::serialize(*value);
}

void print_message(const json::object& message, const FrozenAccounts& frozen) {
  std::cout << text_of(message, "id") << "  " << text_of(message, "accepted_at") << "  "
            << text_of(message, "size") << " octets  <" << text_of(message, "sender") << '>'
            << (text_of(message, "active") == "true" ? "  being delivered" : "");
  const std::string not_before = text_of(message, "not_before");
  if (not_before != text_of(message, "accepted_at"))
    std::cout << "  sent with the wish to go at " << not_before;
  std::cout << '\n';
  const std::string account = text_of(message, "account");
  const auto why = frozen.find(account);
  const bool account_held = why != frozen.end();
  if (account_held) std::cout << "    " << account << " is " << shown(account, why->second) << '\n';
  for (const json::value& entry : message.at("recipients").as_array()) {
    const json::object& to = entry.as_object();
    const std::string state = text_of(to, "state");
    std::cout << "    <" << text_of(to, "address") << ">  "
              << (state == "waiting"                 ? "next " + text_of(to, "next_attempt")
                  : state == "held" && !account_held ? "held until postern queue release"
                                                     : state)
              << "  attempts " << text_of(to, "attempts") << "  " << text_of(to, "text") << '\n';
  }
}

Result<queue::QueueReader> open_files(const config::Config& config) {
  return queue::QueueReader::open(queue_path(config), nullptr);
}

Result<json::value> list_files(const config::Config& config, const queue::Filter& filter) {
  if (!has_queue(config)) return json::value(json::array{});
  POSTERN_TRY(queue::QueueReader reader, open_files(config));
  POSTERN_TRY(const auto found, reader.list(filter));
  return json::value(admin::to_json(found));
}

Result<json::value> group_files(const config::Config& config, const queue::Filter& filter,
                                const std::string& by) {
  POSTERN_TRY(const queue::GroupBy grouping, admin::grouping_named(by));
  if (!has_queue(config)) return json::value(json::array{});
  POSTERN_TRY(queue::QueueReader reader, open_files(config));
  POSTERN_TRY(const auto found, reader.group(filter, grouping));
  return json::value(admin::to_json(found));
}

Result<json::value> count_files(const config::Config& config, const queue::Filter& filter) {
  if (!has_queue(config)) return json::value(admin::to_json(queue::Operated{}));
  POSTERN_TRY(queue::QueueReader reader, open_files(config));
  POSTERN_TRY(const auto found, reader.count(filter));
  return json::value(admin::to_json(found));
}

Result<> group(const Context& context, const config::Config& config, const queue::Filter& filter,
               const std::string& by) {
  const json::object request{{"verb", "queue.group"}, {"by", by}, {"filter", admin::to_json(filter)}};
  POSTERN_TRY(const json::value found,
              ask_or(config, request, [&] { return group_files(config, filter, by); }));
  if (context.json) {
    std::cout << json::serialize(found) << '\n';
    return {};
  }
  for (const json::value& entry : found.as_array()) {
    const json::object& g = entry.as_object();
    const std::string held = text_of(g, "held");
    std::cout << text_of(g, "recipients") << " recipients in " << text_of(g, "messages") << " messages  "
              << (text_of(g, "key").empty() ? "(not tried yet)" : text_of(g, "key")) << "  oldest "
              << text_of(g, "oldest") << "  next " << text_of(g, "next_attempt")
              << (held == "0" ? "" : "  held " + held) << '\n';
  }
  return {};
}

Result<> list(const Context& context, const Arguments& arguments) {
  constexpr std::size_t kShown = 100;
  POSTERN_TRY(const config::Config config, load_state_config(context));
  POSTERN_TRY(const queue::Filter filter, filter_of(arguments, kShown));
  if (!arguments.by.empty()) return group(context, config, filter, arguments.by);
  const json::object request{{"verb", "queue.list"}, {"filter", admin::to_json(filter)}};
  POSTERN_TRY(const json::value found, ask_or(config, request, [&] { return list_files(config, filter); }));
  const json::array& messages = found.as_array();
  if (filter.id && messages.empty())
    return fail(Errc::NotFound, "no message " + to_string(*filter.id) + " in the queue");
  if (context.json) {
    std::cout << json::serialize(found) << '\n';
    return {};
  }
  const auto is_frozen = [](const json::value& each) { return each.at("account_held").as_bool(); };
  FrozenAccounts frozen;
  if (std::ranges::any_of(messages, is_frozen)) {
    POSTERN_TRY(frozen, frozen_accounts(config));
  }
  for (const json::value& message : messages) print_message(message.as_object(), frozen);
  if (messages.size() == filter.limit && !filter.id)
    std::cerr << "These are the oldest " << filter.limit << "; --limit N shows more.\n";
  return {};
}

/// What a retry or release could not let go, and why.
struct StillHeld {
  std::size_t messages = 0;
  bool by_hand = false;  ///< recipients that an operator or a route holds
  FrozenAccounts accounts;
};

Result<StillHeld> still_held(const config::Config& config, queue::Filter filter) {
  constexpr std::size_t kLookedAt = 1000;
  filter.limit = std::min(filter.limit, kLookedAt);
  const json::object request{{"verb", "queue.list"}, {"filter", admin::to_json(filter)}};
  POSTERN_TRY(const json::value found, ask_or(config, request, [&] { return list_files(config, filter); }));
  StillHeld held;
  for (const json::value& each : found.as_array()) {
    const json::object& message = each.as_object();
    const bool frozen = message.at("account_held").as_bool();
    const bool by_hand =
        !frozen && std::ranges::any_of(message.at("recipients").as_array(), [](const json::value& to) {
          return to.at("state").as_string() == "held";
        });
    if (frozen) held.accounts[text_of(message, "account")];
    held.by_hand = held.by_hand || by_hand;
    if (frozen || by_hand) ++held.messages;
  }
  if (!held.accounts.empty()) {
    POSTERN_TRY(const FrozenAccounts all, frozen_accounts(config));
    for (auto& [account, why] : held.accounts) {
      if (const auto known = all.find(account); known != all.end()) why = known->second;
    }
  }
  return held;
}

std::string shown(const StillHeld& held, const queue::Filter& filter) {
  std::string out = std::to_string(held.messages) +
                    (held.messages == 1 ? " message stays where it is" : " messages stay where they are");
  if (held.by_hand) {
    out += ": held by an operator or a route; postern queue release" +
           (filter.id ? " " + to_string(*filter.id) : std::string()) + " sends it";
  }
  for (const auto& [account, why] : held.accounts)
    out += (held.by_hand ? "; " : ": ") + account + " is " + shown(account, why);
  return out;
}

/// Success, when something could go; what could not is told in any case.
Result<> tell_what_stays(const config::Config& config, const queue::Filter& filter, json::object& count) {
  POSTERN_TRY(const StillHeld held, still_held(config, filter));
  if (held.messages == 0) return {};
  count["still_held"] = held.messages;
  const std::string told = shown(held, filter);
  if (held.messages >= count.at("messages").to_number<std::size_t>()) return fail(Errc::Denied, told);
  std::cerr << "postern: note: " << told << '\n';
  return {};
}

Result<> operate(const Context& context, const Arguments& arguments, queue::Operation operation) {
  POSTERN_TRY(const config::Config config, load_state_config(context));
  POSTERN_TRY(const queue::Filter filter, filter_of(arguments, SIZE_MAX));
  if (filter.everything() && !arguments.all)
    return fail(Errc::Malformed, "name a queue id or a filter, or say --all for every message");
  json::object request{{"verb", "queue.count"}, {"filter", admin::to_json(filter)}};
  if (!arguments.dry_run) {
    request["verb"] = "queue.operate";
    request["operation"] = admin::name_of(operation);
  }
  POSTERN_TRY(json::value count, ask_or(config, request, [&] {
                return arguments.dry_run ? count_files(config, filter)
                                         : operate_on_files(config, filter, operation);
              }));
  const std::string messages = text_of(count.as_object(), "messages");
  Result<> outcome;
  if (messages != "0" && !arguments.dry_run &&
      (operation == queue::Operation::Retry || operation == queue::Operation::Release))
    outcome = tell_what_stays(config, filter, count.as_object());
  const std::string recipients = text_of(count.as_object(), "recipients");
  const std::string under_way = text_of(count.as_object(), "under_way");
  if (context.json) std::cout << json::serialize(count) << '\n';
  if (filter.id && messages == "0")
    return fail(Errc::NotFound, "no message " + to_string(*filter.id) + " in the queue");
  if (context.json) return outcome;
  std::cout << messages << (messages == "1" ? " message, " : " messages, ") << recipients
            << (recipients == "1" ? " recipient" : " recipients");
  if (under_way != "0")
    std::cout << "; " << under_way << " of the messages in a delivery attempt that has begun";
  std::cout << (arguments.dry_run ? "; nothing was changed\n" : "\n") << std::flush;
  return outcome;
}

net::Task<> set_frozen(Offline& offline, queue::AccountHold hold, bool freezes, Result<>& out) {
  if (freezes) {
    out = co_await offline.queue->hold_account(offline.loop, std::move(hold));
  } else {
    out = co_await offline.queue->release_account(offline.loop, hold.account);
  }
  offline.loop.stop();
}

Result<json::value> freeze_files(const config::Config& config, queue::AccountHold hold, bool freezes) {
  Offline offline;
  POSTERN_CHECK(offline.open(config));
  const std::string name = hold.account_name;
  hold.since = offline.clock.now();
  Result<> done = fail(Errc::Internal, "did not run");
  offline.loop.spawn(set_frozen(offline, std::move(hold), freezes, done));
  offline.loop.run();
  POSTERN_CHECK(done);
  return json::value(json::object{{"account", name}});
}

Result<> freeze(const Context& context, const Arguments& arguments, bool freezes) {
  POSTERN_TRY(const config::Config config, load_state_config(context));
  POSTERN_TRY(const auto directory, open_directory(context));
  POSTERN_TRY(const std::vector<accounts::Account> all, directory->accounts());
  const auto account =
      std::ranges::find(all, accounts::normal_login(arguments.what), &accounts::Account::address);
  if (account == all.end()) return fail(Errc::NotFound, "no account " + arguments.what);
  const queue::AccountHold hold{account->id, account->address, {}, arguments.reason};
  const json::object request{{"verb", freezes ? "queue.freeze" : "queue.thaw"},
                             {"account", hold.account_name},
                             {"number", hold.account.value},
                             {"reason", hold.reason}};
  POSTERN_TRY(const json::value done,
              ask_or(config, request, [&] { return freeze_files(config, hold, freezes); }));
  if (context.json) std::cout << json::serialize(done) << '\n';
  return {};
}

Result<> frozen(const Context& context) {
  POSTERN_TRY(const config::Config config, load_state_config(context));
  POSTERN_TRY(const FrozenAccounts all, frozen_accounts(config));
  json::array list;
  for (const auto& [account, frozen] : all) {
    if (context.json) {
      list.push_back(json::object{{"account", account}, {"since", frozen.since}, {"reason", frozen.reason}});
    } else {
      std::cout << account << "  since " << frozen.since << "  " << frozen.reason << '\n';
    }
  }
  if (context.json) std::cout << json::serialize(list) << '\n';
  return {};
}

Result<json::value> trace_files(const config::Config& config, const std::string& what) {
  if (!has_queue(config)) return fail(Errc::NotFound, "nothing is known of " + what);
  POSTERN_TRY(const auto history, queue::History::open(config.data_dir + "/history.db"));
  std::vector<queue::Listed> waiting;
  if (what.find('@') != std::string::npos) {
    POSTERN_TRY(queue::QueueReader reader, open_files(config));
    POSTERN_TRY(waiting, reader.list({.recipient = what}));
  }
  POSTERN_TRY(const auto events, admin::trace_of(*history, what, waiting));
  return json::value(admin::to_json(events));
}

Result<> trace(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const config::Config config, load_state_config(context));
  const json::object request{{"verb", "trace"}, {"what", arguments.what}};
  POSTERN_TRY(const json::value events,
              ask_or(config, request, [&] { return trace_files(config, arguments.what); }));
  if (context.json) {
    std::cout << json::serialize(events) << '\n';
    return {};
  }
  for (const json::value& entry : events.as_array()) {
    const json::object& e = entry.as_object();
    std::cout << text_of(e, "time") << "  " << text_of(e, "id") << "  " << text_of(e, "event");
    if (const std::string to = text_of(e, "recipient"); !to.empty()) std::cout << "  " << to;
    std::cout << "  " << text_of(e, "detail") << '\n';
  }
  return {};
}

}  // namespace

void add_queue_commands(CLI::App& app, Context& context) {
  static Arguments arguments;
  CLI::App* queue = app.add_subcommand("queue", "Mail that waits")->require_subcommand(1);
  const auto with_filter = [](CLI::App* command) {
    command->add_option("--account", arguments.filter.account, "Only mail of this account");
    command->add_option("--sender", arguments.filter.sender, "Only mail with this reverse-path");
    command->add_option("--recipient", arguments.filter.recipient, "Only mail to this recipient");
    command->add_option(
        "--where", arguments.where,
        "Only mail for which all of these hold: key=value, separated by spaces; keys: id, account, "
        "sender, recipient, site (the recipient's domain), reason (status, or part of the last "
        "reply), state (waiting, held), older (90s, 15m, 2h, 3d), scheduled (yes: waits for the time its "
        "sender chose); reason=\"with spaces\"");
    command->add_option("--limit", arguments.limit, "At most so many messages, the oldest first")
        ->check(CLI::PositiveNumber);
    return command;
  };
  CLI::App* ls =
      with_filter(queue->add_subcommand("ls", "List messages, the oldest first, or groups of them"));
  ls->add_option("--by", arguments.by, "Count by site, reason or account, the largest group first")
      ->check(CLI::IsMember({"site", "reason", "account"}));
  ls->callback([&context] { report(context, list(context, arguments)); });
  CLI::App* show = queue->add_subcommand("show", "One message");
  show->add_option("id", arguments.id, "Queue id")->required();
  show->callback([&context] { report(context, list(context, arguments)); });
  const auto verb = [&](const char* name, const char* help, queue::Operation operation) {
    CLI::App* command = with_filter(queue->add_subcommand(name, help));
    command->add_option("id", arguments.id, "Queue id");
    command->add_flag("--all", arguments.all, "Every message");
    command->add_flag("--dry-run", arguments.dry_run, "Only say how many it would act on");
    command->callback([&context, operation] { report(context, operate(context, arguments, operation)); });
  };
  verb("retry", "Try now what waits for its next attempt", queue::Operation::Retry);
  verb("hold", "Keep from being sent", queue::Operation::Hold);
  verb("release", "Send what was held", queue::Operation::Release);
  verb("rm", "Remove without a report to the sender", queue::Operation::Remove);
  verb("bounce", "Return to the sender with a report", queue::Operation::Bounce);

  CLI::App* freezing = queue->add_subcommand(
      "freeze", "Hold all undelivered mail of an account, and what it hands in, until it is thawed");
  freezing->add_option("account", arguments.what, "The account's address")->required();
  freezing->add_option("--reason", arguments.reason, "Why, for whoever looks later");
  freezing->callback([&context] { report(context, freeze(context, arguments, true)); });
  CLI::App* thawing = queue->add_subcommand("thaw", "Send what was frozen");
  thawing->add_option("account", arguments.what, "The account's address")->required();
  thawing->callback([&context] { report(context, freeze(context, arguments, false)); });
  queue->add_subcommand("frozen", "List the accounts that are frozen")->callback([&context] {
    report(context, frozen(context));
  });

  CLI::App* tracing = app.add_subcommand("trace", "What happened to a message, or to the mail of an address");
  tracing->add_option("what", arguments.what, "Queue id or address")->required();
  tracing->callback([&context] { report(context, trace(context, arguments)); });
}

}  // namespace postern::app::cli
