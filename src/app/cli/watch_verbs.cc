#include "admin/watch_verbs.h"

#include "admin/queue_json.h"
#include "app/cli/running.h"
#include "app/cli/watch_parts.h"
#include "guard/watch/replay.h"
#include "queue/history.h"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <iostream>
#include <memory>

namespace postern::app::cli {
namespace {

namespace json = boost::json;

struct Arguments {
  std::string account;
  std::string since;
  std::string until;
  std::string network;
  bool new_recipients = false;
  bool all = false;
  bool really = false;
  std::int64_t count = 1;
};

net::Task<> answer(Offline& offline, const admin::WatchParts& parts, const json::object& request,
                   Result<json::value>& out) {
  out = co_await admin::answer_watch(offline.loop, parts, request);
  offline.loop.stop();
}

/// The verb on the files of a server that does not run.
Result<json::value> answer_from_files(const config::Config& config, const json::object& request) {
  if (request.at("verb") == "watch.ls" && !has_queue(config)) return json::value(json::array{});
  Offline offline;
  POSTERN_CHECK(offline.open(config));
  POSTERN_TRY(const auto history, queue::History::open(config.data_dir + "/history.db"));
  POSTERN_TRY(const auto book,
              guard::WatchBook::open(config.data_dir + "/watch.db", offline.clock, config.watch, {}));
  const admin::WatchParts parts{*book, *offline.queue, *history, offline.clock};
  Result<json::value> done = fail(Errc::Internal, "did not run");
  offline.loop.spawn(answer(offline, parts, request, done));
  offline.loop.run();
  return done;
}

Result<json::value> ask_watch(const Context& context, const json::object& request) {
  POSTERN_TRY(const config::Config config, load_state_config(context));
  if (!config.watch.enabled) return fail(Errc::Unavailable, "the watch is off: watch.enabled = false");
  return ask_or(config, request, [&] { return answer_from_files(config, request); });
}

std::string text_at(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return "";
  if (value->is_double()) return fmt::format("{:.2f}", value->as_double());
  return value->is_string() ? std::string(value->as_string()) : json::serialize(*value);
}

void print_reasons(const json::object& object) {
  for (const json::value& reason : object.at("reasons").as_array())
    std::cout << "    " << std::string_view(reason.as_string()) << '\n';
}

Result<> list_held(const Context& context) {
  POSTERN_TRY(const json::value held, ask_watch(context, {{"verb", "watch.ls"}}));
  if (context.json) {
    std::cout << json::serialize(held) << '\n';
    return {};
  }
  for (const json::value& each : held.as_array()) {
    const json::object& hold = each.as_object();
    std::cout << text_at(hold, "account") << "  held since " << text_at(hold, "since") << "  score "
              << text_at(hold, "score") << '\n';
    print_reasons(hold);
  }
  if (held.as_array().empty()) std::cout << "No account is held.\n";
  return {};
}

void print_account(const json::object& known) {
  std::cout << text_at(known, "account") << "  " << (known.at("held").as_bool() ? "HELD" : "not held")
            << "  score " << text_at(known, "score") << " of " << text_at(known, "held_at_score") << ", "
            << text_at(known, "messages") << " messages on " << text_at(known, "active_days") << " days\n";
  if (const json::value* hold = known.if_contains("hold")) {
    std::cout << "  held since " << text_at(hold->as_object(), "since") << " because\n";
    print_reasons(hold->as_object());
  } else {
    print_reasons(known);
  }
  std::cout << "  " << text_at(known, "queued") << " messages in the queue\n";
  for (const json::value& each : known.at("queued_by_network").as_array()) {
    const json::object& share = each.as_object();
    std::cout << "    " << text_at(share, "messages") << " from "
              << (text_at(share, "network").empty() ? "(not known)" : text_at(share, "network")) << ", "
              << text_at(share, "to_new") << " of them to new recipients, " << text_at(share, "first")
              << " to " << text_at(share, "last") << '\n';
  }
  for (const json::value& each : known.at("history").as_array()) {
    const json::object& event = each.as_object();
    std::cout << "  " << text_at(event, "time") << "  " << text_at(event, "event") << "  "
              << text_at(event, "detail") << '\n';
  }
}

/// show, release, forgive and complain: what is known of the account afterwards.
Result<> about_account(const Context& context, json::object request) {
  POSTERN_TRY(const json::value known, ask_watch(context, request));
  if (context.json) {
    std::cout << json::serialize(known) << '\n';
    return {};
  }
  print_account(known.as_object());
  if (known.as_object().contains("released_messages"))
    std::cout << "  " << text_at(known.as_object(), "released_messages") << " queued messages released\n";
  return {};
}

/// A time ago ("2h") or a moment ("2026-01-31T12:00:00Z").
Result<TimePoint> moment(const std::string& text) {
  const TimePoint now = SystemClock().now();
  if (const Result<std::chrono::seconds> ago = guard::parse_duration(text)) return now - *ago;
  std::tm parts{};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr || std::string_view(rest) != "Z")
    return fail(Errc::Malformed,
                text + " is neither a time ago, such as 2h, nor a moment, such as 2026-01-31T12:00:00Z");
  return std::chrono::time_point_cast<TimePoint::duration>(
      std::chrono::system_clock::from_time_t(::timegm(&parts)));
}

Result<json::object> purge_request(const Arguments& arguments) {
  queue::Filter filter;
  if (!arguments.since.empty()) {
    POSTERN_TRY(filter.accepted_since, moment(arguments.since));
  }
  if (!arguments.until.empty()) {
    POSTERN_TRY(filter.accepted_before, moment(arguments.until));
  }
  if (!arguments.network.empty()) {
    POSTERN_TRY(filter.network, net::Network::parse(arguments.network));
  }
  if (arguments.new_recipients) filter.min_novelty = admin::kMostlyNew;
  if (filter.everything() && !arguments.all) {
    return fail(Errc::Malformed,
                "say which messages: --since, --until, --network, --new-recipients, or --all of them "
                "(postern watch show " +
                    arguments.account + " tells where they came from)");
  }
  return json::object{{"verb", "watch.purge"},
                      {"account", arguments.account},
                      {"filter", admin::to_json(filter)},
                      {"all", arguments.all},
                      {"really", arguments.really}};
}

/// Without --really it only names what would go.
Result<> purge(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const json::object request, purge_request(arguments));
  POSTERN_TRY(const json::value done, ask_watch(context, request));
  if (context.json) {
    std::cout << json::serialize(done) << '\n';
    return {};
  }
  const json::array& messages = done.at("messages").as_array();
  for (const json::value& each : messages) {
    const json::object& message = each.as_object();
    std::cout << text_at(message, "id") << "  " << text_at(message, "accepted_at") << "  from "
              << text_at(message, "client");
    for (const json::value& to : message.at("recipients").as_array())
      std::cout << "  <" << text_at(to.as_object(), "address") << '>';
    std::cout << '\n';
  }
  const std::string count = text_at(done.as_object(), "count");
  if (std::to_string(messages.size()) != count && messages.size() > 1) std::cout << "...\n";
  std::cout << count
            << (arguments.really ? " messages removed\n" : " messages would be removed; --really does it\n");
  return {};
}

void add_purge(CLI::App& watch, Context& context) {
  auto wanted = std::make_shared<Arguments>();
  CLI::App* remove = watch.add_subcommand(
      "purge", "Remove the thief's mail from an account's queue; without --really only name it");
  remove->add_option("ACCOUNT", wanted->account)->required();
  remove->add_option("--since", wanted->since, "Accepted since: so long ago (2h), or 2026-01-31T12:00:00Z");
  remove->add_option("--until", wanted->until, "Accepted until, in the same forms");
  remove->add_option("--network", wanted->network, "Handed in from there: 203.0.113.0/24, or one address");
  remove->add_flag("--new-recipients", wanted->new_recipients,
                   "At least half of the recipients were new to the account");
  remove->add_flag("--all", wanted->all, "All of the account's queued mail");
  remove->add_flag("--really", wanted->really, "Do it");
  remove->callback([&context, wanted] { report(context, purge(context, *wanted)); });
}

}  // namespace

void add_watch_verbs(CLI::App& watch, Context& context) {
  watch.add_subcommand("ls", "Accounts that are held, and why")->callback([&context] {
    report(context, list_held(context));
  });
  auto about = std::make_shared<Arguments>();
  const auto add = [&](const char* verb, const char* what) {
    CLI::App* command = watch.add_subcommand(verb, what);
    command->add_option("ACCOUNT", about->account)->required();
    command->callback([&context, about, name = "watch." + std::string(verb)] {
      json::object request{{"verb", name}, {"account", about->account}};
      if (name == "watch.complain") request["count"] = about->count;
      report(context, about_account(context, std::move(request)));
    });
    return command;
  };
  add("show", "What speaks against an account, why it is held, what of it waits, and its history");
  add("release", "Let a held account go on, and send what of it waits; the watch stays on");
  add("forgive", "The same, and what it did counts as normal for it from now on");
  add("complain", "Mail of the account was reported as spam")
      ->add_option("--count", about->count, "How many messages")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000}));
  add_purge(watch, context);
}

}  // namespace postern::app::cli
