#include "app/cli/common.h"
#include "queue/history.h"
#include "queue/queue_reader.h"
#include "queue/sqlite_queue.h"
#include "store/file_lock.h"

#include <iostream>

namespace postern::app::cli {
namespace {

struct Arguments {
  std::string id;
  std::string what;
  queue::Filter filter;
};

Result<queue::Filter> filter_of(const Arguments& arguments) {
  queue::Filter filter = arguments.filter;
  if (!arguments.id.empty()) {
    const std::optional<std::int64_t> id = parse_id_text(arguments.id);
    if (!id) return fail(Errc::Malformed, "not a queue id: " + arguments.id);
    filter.id = QueueId{*id};
  }
  return filter;
}

std::string json_of(const queue::Listed& m) {
  std::string to;
  for (const queue::Listed::To& r : m.recipients) {
    to += (to.empty() ? "" : ",") + std::string("{\"address\":") + json_text(r.address) + ",\"state\":\"" +
          (r.state == queue::RecipientState::Held ? "held" : "waiting") +
          "\",\"attempts\":" + std::to_string(r.attempts) +
          ",\"next_attempt\":" + json_text(shown(r.next_attempt)) + ",\"status\":" + json_text(r.status) +
          ",\"text\":" + json_text(r.text) + "}";
  }
  return "{\"id\":" + json_text(to_string(m.id)) + ",\"account\":" + json_text(m.account) +
         ",\"sender\":" + json_text(m.sender) + ",\"accepted_at\":" + json_text(shown(m.accepted_at)) +
         ",\"size\":" + std::to_string(m.size) + ",\"recipients\":[" + to + "]}";
}

void print(const queue::Listed& m) {
  std::cout << to_string(m.id) << "  " << shown(m.accepted_at) << "  " << m.size << " octets  <" << m.sender
            << ">\n";
  for (const queue::Listed::To& r : m.recipients) {
    std::cout << "    <" << r.address << ">  "
              << (r.state == queue::RecipientState::Held ? "held" : "next " + shown(r.next_attempt))
              << "  attempts " << r.attempts << "  " << r.text << '\n';
  }
}

/// Reading needs no server: SQLite lets us look while it writes.
Result<> list(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const config::Config config, load_config(context));
  POSTERN_TRY(const queue::Filter filter, filter_of(arguments));
  POSTERN_TRY(queue::QueueReader reader, queue::QueueReader::open(config.data_dir + "/queue.db", nullptr));
  POSTERN_TRY(const auto found, reader.list(filter));
  if (filter.id && found.empty()) return fail(Errc::NotFound, "no message " + arguments.id + " in the queue");
  std::string json;
  for (const queue::Listed& m : found) {
    if (context.json) {
      json += (json.empty() ? "" : ",") + json_of(m);
    } else {
      print(m);
    }
  }
  if (context.json) std::cout << '[' << json << "]\n";
  return {};
}

net::Task<> apply(net::Loop& loop, queue::Queue& queue, const queue::Filter& filter,
                  queue::Operation operation, Result<queue::Operated>& out) {
  out = co_await queue.operate(loop, filter, operation);
  loop.stop();
}

Result<> operate(const Context& context, const Arguments& arguments, queue::Operation operation) {
  static const SystemClock clock;
  POSTERN_TRY(const config::Config config, load_config(context));
  POSTERN_TRY(const queue::Filter filter, filter_of(arguments));
  const Result<store::FileLock> lock = store::FileLock::take(config.data_dir + "/lock");
  if (!lock)
    return fail(Errc::Denied,
                "the server is running: stop it to change its queue (" + lock.error().detail + ")");
  POSTERN_TRY(const auto queue, queue::SqliteQueue::open(config.data_dir + "/queue.db", config.queue, clock));
  net::Loop loop;
  Result<queue::Operated> done = fail(Errc::Internal, "did not run");
  loop.spawn(apply(loop, *queue, filter, operation, done));
  loop.run();
  if (!done) return done.error();
  if (context.json) {
    std::cout << "{\"messages\":" << done->messages << "}\n";
  } else {
    std::cout << done->messages << " messages\n";
  }
  return {};
}

Result<> trace(const Context& context, const Arguments& arguments) {
  POSTERN_TRY(const config::Config config, load_config(context));
  POSTERN_TRY(const auto history, queue::History::open(config.data_dir + "/history.db"));
  const std::optional<std::int64_t> id = parse_id_text(arguments.what);
  constexpr std::size_t kMost = 1000;
  POSTERN_TRY(const auto events,
              id ? history->of_message(QueueId{*id}) : history->of_address(arguments.what, kMost));
  if (events.empty()) return fail(Errc::NotFound, "nothing is known of " + arguments.what);
  std::string json;
  for (const queue::HistoryEvent& e : events) {
    if (context.json) {
      json += (json.empty() ? "" : ",") + std::string("{\"time\":") + json_text(shown(e.time)) +
              ",\"id\":" + json_text(to_string(e.id)) + ",\"event\":" + json_text(e.kind) +
              ",\"account\":" + json_text(e.account) + ",\"sender\":" + json_text(e.sender) +
              ",\"recipient\":" + json_text(e.recipient) + ",\"detail\":" + json_text(e.detail) + "}";
    } else {
      std::cout << shown(e.time) << "  " << to_string(e.id) << "  " << e.kind << "  " << e.recipient << "  "
                << e.detail << '\n';
    }
  }
  if (context.json) std::cout << '[' << json << "]\n";
  return {};
}

}  // namespace

void add_queue_commands(CLI::App& app, Context& context) {
  static Arguments arguments;
  CLI::App* queue = app.add_subcommand("queue", "Mail that waits")->require_subcommand(1);
  const auto with_filter = [](CLI::App* command) {
    command->add_option("--account", arguments.filter.account);
    command->add_option("--sender", arguments.filter.sender);
    command->add_option("--recipient", arguments.filter.recipient);
    command->add_option("--limit", arguments.filter.limit);
    return command;
  };
  with_filter(queue->add_subcommand("ls", "List messages"))->callback([&context] {
    report(context, list(context, arguments));
  });
  CLI::App* show = queue->add_subcommand("show", "One message");
  show->add_option("id", arguments.id)->required();
  show->callback([&context] { report(context, list(context, arguments)); });
  const auto verb = [&](const char* name, const char* help, queue::Operation operation) {
    CLI::App* command = with_filter(queue->add_subcommand(name, help));
    command->add_option("id", arguments.id);
    command->callback([&context, operation] { report(context, operate(context, arguments, operation)); });
  };
  verb("retry", "Try now what waits for its next attempt", queue::Operation::Retry);
  verb("hold", "Keep from being sent", queue::Operation::Hold);
  verb("release", "Send what was held", queue::Operation::Release);
  verb("rm", "Remove without a report", queue::Operation::Remove);

  CLI::App* tracing = app.add_subcommand("trace", "What happened to a message, or to the mail of an address");
  tracing->add_option("what", arguments.what, "Queue id or address")->required();
  tracing->callback([&context] { report(context, trace(context, arguments)); });
}

}  // namespace postern::app::cli
