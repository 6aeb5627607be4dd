#include "admin/control_client.h"
#include "admin/control_server.h"
#include "admin/queue_json.h"
#include "app/cli/common.h"
#include "app/server.h"
#include "queue/history.h"
#include "queue/queue_reader.h"
#include "queue/sqlite_queue.h"
#include "store/file_lock.h"

#include <boost/json/serialize.hpp>

#include <iostream>

namespace postern::app::cli {
namespace {

namespace json = boost::json;

struct Arguments {
  std::string id;
  std::string what;
  queue::Filter filter;
  std::size_t limit = 0;  // 0: not given
  bool all = false;
};

Result<queue::Filter> filter_of(const Arguments& arguments, std::size_t default_limit) {
  queue::Filter filter = arguments.filter;
  filter.limit = arguments.limit == 0 ? default_limit : arguments.limit;
  if (!arguments.id.empty()) {
    const std::optional<std::int64_t> id = parse_id_text(arguments.id);
    if (!id) return fail(Errc::Malformed, "not a queue id: " + arguments.id);
    filter.id = QueueId{*id};
  }
  return filter;
}

/// The running server's answer, or, when none runs, what `offline` makes of the files.
Result<json::value> ask_or(const config::Config& config, const json::object& request,
                           const std::function<Result<json::value>()>& offline) {
  Result<json::value> answer = admin::ask(control_path(config), request);
  if (answer || answer.error().code != Errc::Closed) return answer;
  POSTERN_CHECK(act_as_owner_of(config.data_dir));
  return offline();
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return "";
  return value->is_string() ? std::string(value->as_string()) : json::serialize(*value);
}

void print_message(const json::object& message) {
  std::cout << text_of(message, "id") << "  " << text_of(message, "accepted_at") << "  "
            << text_of(message, "size") << " octets  <" << text_of(message, "sender") << '>'
            << (text_of(message, "active") == "true" ? "  being delivered" : "");
  const std::string not_before = text_of(message, "not_before");
  if (not_before != text_of(message, "accepted_at"))
    std::cout << "  sent with the wish to go at " << not_before;
  std::cout << '\n';
  for (const json::value& entry : message.at("recipients").as_array()) {
    const json::object& to = entry.as_object();
    const std::string state = text_of(to, "state");
    std::cout << "    <" << text_of(to, "address") << ">  "
              << (state == "waiting" ? "next " + text_of(to, "next_attempt") : state) << "  attempts "
              << text_of(to, "attempts") << "  " << text_of(to, "text") << '\n';
  }
}

Result<json::value> list_files(const config::Config& config, const queue::Filter& filter) {
  POSTERN_TRY(queue::QueueReader reader, queue::QueueReader::open(config.data_dir + "/queue.db", nullptr));
  POSTERN_TRY(const auto found, reader.list(filter));
  return json::value(admin::to_json(found));
}

Result<> list(const Context& context, const Arguments& arguments) {
  constexpr std::size_t kShown = 100;
  POSTERN_TRY(const config::Config config, load_config(context));
  POSTERN_TRY(const queue::Filter filter, filter_of(arguments, kShown));
  const json::object request{{"verb", "queue.list"}, {"filter", admin::to_json(filter)}};
  POSTERN_TRY(const json::value found, ask_or(config, request, [&] { return list_files(config, filter); }));
  const json::array& messages = found.as_array();
  if (filter.id && messages.empty())
    return fail(Errc::NotFound, "no message " + arguments.id + " in the queue");
  if (context.json) {
    std::cout << json::serialize(found) << '\n';
    return {};
  }
  for (const json::value& message : messages) print_message(message.as_object());
  if (messages.size() == filter.limit && !filter.id)
    std::cerr << "These are the oldest " << filter.limit << "; --limit N shows more.\n";
  return {};
}

net::Task<> apply(net::Loop& loop, queue::Queue& queue, const queue::Filter& filter,
                  queue::Operation operation, Result<queue::Operated>& out) {
  out = co_await queue.operate(loop, filter, operation);
  loop.stop();
}

Result<json::value> operate_on_files(const config::Config& config, const queue::Filter& filter,
                                     queue::Operation operation) {
  static const SystemClock clock;
  const Result<store::FileLock> lock = store::FileLock::take(config.data_dir + "/lock");
  if (!lock) {
    return fail(Errc::Unavailable,
                "the server is just starting or ending; try again (" + lock.error().detail + ")");
  }
  POSTERN_TRY(const auto queue, queue::SqliteQueue::open(config.data_dir + "/queue.db", config.queue, clock));
  net::Loop loop;
  Result<queue::Operated> done = fail(Errc::Internal, "did not run");
  loop.spawn(apply(loop, *queue, filter, operation, done));
  loop.run();
  if (!done) return done.error();
  return json::value(admin::to_json(*done));
}

Result<> operate(const Context& context, const Arguments& arguments, queue::Operation operation) {
  POSTERN_TRY(const config::Config config, load_config(context));
  POSTERN_TRY(const queue::Filter filter, filter_of(arguments, SIZE_MAX));
  const bool some =
      filter.id || !filter.account.empty() || !filter.sender.empty() || !filter.recipient.empty();
  if (!some && !arguments.all)
    return fail(Errc::Malformed, "name a queue id or a filter, or say --all for every message");
  const json::object request{{"verb", "queue.operate"},
                             {"operation", admin::name_of(operation)},
                             {"filter", admin::to_json(filter)}};
  POSTERN_TRY(const json::value count,
              ask_or(config, request, [&] { return operate_on_files(config, filter, operation); }));
  const std::string messages = text_of(count.as_object(), "messages");
  const std::string under_way = text_of(count.as_object(), "under_way");
  if (context.json) std::cout << json::serialize(count) << '\n';
  if (filter.id && messages == "0")
    return fail(Errc::NotFound, "no message " + arguments.id + " in the queue");
  if (context.json) return {};
  std::cout << messages << (messages == "1" ? " message" : " messages");
  if (under_way != "0") std::cout << ", " << under_way << " of them in a delivery attempt that has begun";
  std::cout << '\n';
  return {};
}

Result<json::value> trace_files(const config::Config& config, const std::string& what) {
  POSTERN_TRY(const auto history, queue::History::open(config.data_dir + "/history.db"));
  POSTERN_TRY(const auto events, admin::trace_of(*history, what));
  return json::value(admin::to_json(events));
}

Result<> trace(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const config::Config config, load_config(context));
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
    command->add_option("--recipient", arguments.filter.recipient, "Only mail with this recipient");
    command->add_option("--limit", arguments.limit, "At most so many messages, the oldest first")
        ->check(CLI::PositiveNumber);
    return command;
  };
  with_filter(queue->add_subcommand("ls", "List messages, the oldest first"))->callback([&context] {
    report(context, list(context, arguments));
  });
  CLI::App* show = queue->add_subcommand("show", "One message");
  show->add_option("id", arguments.id, "Queue id")->required();
  show->callback([&context] { report(context, list(context, arguments)); });
  const auto verb = [&](const char* name, const char* help, queue::Operation operation) {
    CLI::App* command = with_filter(queue->add_subcommand(name, help));
    command->add_option("id", arguments.id, "Queue id");
    command->add_flag("--all", arguments.all, "Every message");
    command->callback([&context, operation] { report(context, operate(context, arguments, operation)); });
  };
  verb("retry", "Try now what waits for its next attempt", queue::Operation::Retry);
  verb("hold", "Keep from being sent", queue::Operation::Hold);
  verb("release", "Send what was held", queue::Operation::Release);
  verb("rm", "Remove without a report to the sender", queue::Operation::Remove);

  CLI::App* tracing = app.add_subcommand("trace", "What happened to a message, or to the mail of an address");
  tracing->add_option("what", arguments.what, "Queue id or address")->required();
  tracing->callback([&context] { report(context, trace(context, arguments)); });
}

}  // namespace postern::app::cli
