#include "admin/control_server.h"

#include "admin/queue_json.h"
#include "admin/watch_verbs.h"
#include "base/log.h"
#include "smtp/ascii.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <utility>

namespace postern::admin {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxRequest = std::size_t{64} * 1024;
constexpr std::chrono::seconds kRequestTime{10};
constexpr std::chrono::seconds kAnswerTime{50};
constexpr std::size_t kMaxEvents = 1000;

json::value error_of(const Error& error) {
  return json::object{{"error", {{"code", to_string(error.code)}, {"message", utf8(error.detail)}}}};
}

Result<std::string> text_member(const json::object& request, std::string_view name) {
  const json::value* value = request.if_contains(name);
  if (value == nullptr || !value->is_string())
    return fail(Errc::Malformed, "the request needs \"" + std::string(name) + "\", a string");
  return std::string(value->as_string());
}

/// How many messages of an operator's verb the history names; the log says how many there were.
constexpr std::size_t kMostNamed = 10'000;

queue::Filter first_of(queue::Filter filter) {
  filter.limit = std::min(filter.limit, kMostNamed);
  return filter;
}

/// nullptr: what follows is recorded by delivery.
const char* done_by(queue::Operation operation) {
  switch (operation) {
    case queue::Operation::Hold:
      return "held";
    case queue::Operation::Release:
      return "released";
    case queue::Operation::Remove:
      return "removed";
    case queue::Operation::Retry:
    case queue::Operation::Bounce:
      break;
  }
  return nullptr;
}

/// As far as an address and its state can tell.
bool is_meant(const queue::Listed::To& to, const queue::Filter& filter) {
  if (!filter.recipient.empty() && !smtp::iequals(filter.recipient, to.address)) return false;
  if (filter.state && *filter.state != to.state) return false;
  const std::string_view domain = std::string_view(to.address).substr(to.address.rfind('@') + 1);
  return filter.site.empty() || smtp::iequals(filter.site, domain);
}

Result<queue::Filter> filter_member(const json::object& request) {
  const json::value* value = request.if_contains("filter");
  return value == nullptr ? queue::Filter{} : filter_from_json(*value);
}

}  // namespace

Result<std::vector<queue::HistoryEvent>> trace_of(queue::History& history, const std::string& what,
                                                  const std::vector<queue::Listed>& waiting) {
  const std::optional<std::int64_t> id = parse_id_text(what);
  POSTERN_TRY(auto events, id ? history.of_message(QueueId{*id}) : history.of_address(what, kMaxEvents));
  // The history names a recipient from its first attempt on; until then the queue does.
  for (const queue::Listed& message : waiting) {
    POSTERN_TRY(const std::vector<queue::HistoryEvent> of_message, history.of_message(message.id));
    for (const queue::HistoryEvent& event : of_message) {
      const bool about_all = event.recipient.empty();
      const auto same = [&event](const queue::HistoryEvent& e) {
        return e.id == event.id && e.recipient.empty() && e.kind == event.kind && e.time == event.time;
      };
      if (about_all && std::ranges::none_of(events, same)) events.push_back(event);
    }
  }
  std::ranges::stable_sort(events, {}, &queue::HistoryEvent::time);
  if (events.empty()) return fail(Errc::NotFound, "nothing is known of " + what);
  return events;
}

Result<std::unique_ptr<ControlServer>> ControlServer::open(net::Loop& loop, const std::string& path,
                                                           ControlServices services) {
  std::unique_ptr<ControlServer> server(new ControlServer(loop, std::move(services)));
  POSTERN_TRY(server->listener_, net::Listener::open_unix(loop, path, 0600));
  server->listener_->serve([raw = server.get()](net::Stream stream) {
    if (raw->connections_ < kMaxConnections) raw->loop_.spawn(raw->serve(std::move(stream)));
  });
  return server;
}

net::Task<> ControlServer::serve(net::Stream stream) {
  ++connections_;
  const SteadyTime deadline = services_.clock.steady_now() + kRequestTime;
  std::string request;
  while (request.find('\n') == std::string::npos && request.size() < kMaxRequest) {
    const Result<std::string_view> more = co_await stream.read_some(deadline);
    if (!more) break;
    request += *more;
    stream.consume(more->size());
  }
  if (request.ends_with('\n')) {
    const json::value reply = co_await answer(std::move(request));
    stream.queue(json::serialize(reply) + "\n");
    co_await stream.shutdown(services_.clock.steady_now() + kAnswerTime);
  }
  --connections_;
}

net::Task<json::value> ControlServer::answer(std::string request) {
  boost::system::error_code broken;
  const json::value parsed = json::parse(request, broken);
  if (broken || !parsed.is_object()) {
    co_return error_of(Error{Errc::Malformed, "the request is not a JSON object"});
  }
  Result<json::value> result = co_await perform(parsed.as_object());
  if (!result) co_return error_of(result.error());
  json::object done;
  done["result"] = *std::move(result);
  co_return done;
}

net::Task<Result<json::value>> ControlServer::perform(const json::object& request) {
  POSTERN_CO_TRY(const std::string verb, text_member(request, "verb"));
  if (verb == "queue.list") {
    Result<json::value> done = co_await list(request);
    co_return done;
  }
  if (verb == "queue.operate") {
    Result<json::value> done = co_await operate(request);
    co_return done;
  }
  if (verb == "queue.group") {
    Result<json::value> done = co_await group(request);
    co_return done;
  }
  if (verb == "queue.count") {
    Result<json::value> done = co_await count(request);
    co_return done;
  }
  if (verb == "queue.freeze" || verb == "queue.thaw") {
    Result<json::value> done = co_await freeze(request, verb == "queue.freeze");
    co_return done;
  }
  if (verb == "queue.frozen") co_return json::value(to_json(services_.queue.held_accounts()));
  if (verb == "trace") {
    Result<json::value> done = co_await trace(request);
    co_return done;
  }
  if (verb.starts_with("watch.")) {
    Result<json::value> done = co_await watch(request);
    co_return done;
  }
  if (verb == "limits.show" && services_.limits_of) {
    POSTERN_CO_TRY(const std::string account, text_member(request, "account"));
    co_return services_.limits_of(account);
  }
  if (verb == "delivery.pace" && services_.pace_of) {
    POSTERN_CO_TRY(const std::string budget, text_member(request, "budget"));
    co_return services_.pace_of(budget);
  }
  co_return fail(Errc::Malformed, "no such verb: " + verb);
}

net::Task<Result<json::value>> ControlServer::watch(const json::object& request) {
  if (services_.watch == nullptr)
    co_return fail(Errc::Unavailable, "the watch is off: watch.enabled = false");
  const WatchParts parts{*services_.watch, services_.queue, services_.history, services_.clock,
                         services_.hold_ended};
  Result<json::value> done = co_await answer_watch(loop_, parts, request);
  services_.try_now();
  co_return done;
}

net::Task<Result<json::value>> ControlServer::list(const json::object& request) {
  POSTERN_CO_TRY(const queue::Filter filter, filter_member(request));
  POSTERN_CO_TRY(const std::vector<queue::Listed> found, co_await services_.queue.list(loop_, filter));
  co_return json::value(to_json(found));
}

net::Task<Result<json::value>> ControlServer::operate(const json::object& request) {
  POSTERN_CO_TRY(const std::string name, text_member(request, "operation"));
  POSTERN_CO_TRY(const queue::Operation operation, operation_named(name));
  POSTERN_CO_TRY(const queue::Filter filter, filter_member(request));
  std::vector<queue::Listed> meant;
  if (const char* done = done_by(operation); done != nullptr) {
    const queue::Filter some = first_of(filter);
    POSTERN_CO_TRY(meant, co_await services_.queue.list(loop_, some));
  }
  POSTERN_CO_TRY(const queue::Operated count, co_await services_.queue.operate(loop_, filter, operation));
  for (const queue::Listed& message : meant) record_operation(message, filter, operation);
  log::Event(log::Level::Info, "admin.queue_operation")
      .with("operation", name)
      .with("filter", json::serialize(to_json(filter)))
      .with("messages", count.messages);
  services_.try_now();
  co_return json::value(to_json(count));
}

/// What an operator did to a message, for `postern trace`: to each recipient when it is gone, else to the message.
void ControlServer::record_operation(const queue::Listed& message, const queue::Filter& filter,
                                     queue::Operation operation) {
  queue::HistoryEvent event;
  event.time = services_.clock.now();
  event.id = message.id;
  event.account = message.account;
  event.sender = message.sender;
  event.kind = done_by(operation);
  event.detail = "by an operator";
  // Which recipients a reason meant is not known any more.
  if (operation != queue::Operation::Remove || !filter.reason.empty()) {
    services_.history.record(std::move(event));
    return;
  }
  for (const queue::Listed::To& to : message.recipients) {
    if (!is_meant(to, filter)) continue;
    event.recipient = to.address;
    services_.history.record(event);
  }
}

net::Task<Result<json::value>> ControlServer::group(const json::object& request) {
  POSTERN_CO_TRY(const std::string name, text_member(request, "by"));
  POSTERN_CO_TRY(const queue::GroupBy by, grouping_named(name));
  POSTERN_CO_TRY(const queue::Filter filter, filter_member(request));
  POSTERN_CO_TRY(const std::vector<queue::Grouped> found, co_await services_.queue.group(loop_, filter, by));
  co_return json::value(to_json(found));
}

net::Task<Result<json::value>> ControlServer::count(const json::object& request) {
  POSTERN_CO_TRY(const queue::Filter filter, filter_member(request));
  POSTERN_CO_TRY(const queue::Operated found, co_await services_.queue.count(loop_, filter));
  co_return json::value(to_json(found));
}

net::Task<Result<json::value>> ControlServer::freeze(const json::object& request, bool freezes) {
  POSTERN_CO_TRY(const std::string name, text_member(request, "account"));
  const json::value* number = request.if_contains("number");
  if (number == nullptr || !number->is_int64())
    co_return fail(Errc::Malformed, "the request needs \"number\", the account's");
  const AccountId account{number->as_int64()};
  if (freezes) {
    POSTERN_CO_TRY(const std::string reason, text_member(request, "reason"));
    // Named, not a braced list beside co_await: g++ 12 destroys such a temporary twice.
    queue::AccountHold hold{account, name, services_.clock.now(), reason};
    POSTERN_CO_CHECK(co_await services_.queue.hold_account(loop_, std::move(hold)));
  } else {
    POSTERN_CO_CHECK(co_await services_.queue.release_account(loop_, account));
  }
  log::Event(log::Level::Info, freezes ? "admin.account_frozen" : "admin.account_thawed")
      .with("account", name);
  co_return json::value(json::object{{"account", utf8(name)}});
}

net::Task<Result<json::value>> ControlServer::trace(const json::object& request) {
  POSTERN_CO_TRY(const std::string what, text_member(request, "what"));
  // Reading the history waits for the disk: not on the loop.
  std::vector<queue::Listed> waiting;
  if (what.find('@') != std::string::npos) {
    const queue::Filter to{.recipient = what};
    POSTERN_CO_TRY(waiting, co_await services_.queue.list(loop_, to));
  }
  auto job = [this, what, waiting] { return trace_of(services_.history, what, waiting); };
  Result<Result<std::vector<queue::HistoryEvent>>> found = co_await readers_.run(loop_, std::move(job));
  if (!found) co_return found.error();
  if (!*found) co_return (*found).error();
  co_return json::value(to_json(**found));
}

}  // namespace postern::admin
