#include "admin/watch_verbs.h"

#include "admin/queue_json.h"
#include "admin/watch_json.h"
#include "base/log.h"
#include "smtp/ascii.h"

#include <boost/json/serialize.hpp>

#include <algorithm>

namespace postern::admin {
namespace {

namespace json = boost::json;

constexpr std::size_t kSummarised = 100'000;  // queued messages that `show` looks at
constexpr std::size_t kNamed = 1000;          // messages that a purge names

bool flag(const json::object& request, std::string_view name) {
  const json::value* value = request.if_contains(name);
  return value != nullptr && value->is_bool() && value->as_bool();
}

json::array held_accounts(const guard::WatchBook& book) {
  json::array out;
  for (const guard::HeldAccount& hold : book.held()) out.emplace_back(to_json(hold));
  return out;
}

net::Task<Result<json::value>> show(net::Loop& loop, const WatchParts& parts, const std::string& account) {
  POSTERN_CO_TRY(const guard::WatchedAccount known, parts.book.show(account));
  json::object out = to_json(known);
  queue::Filter filter;
  filter.account = account;
  filter.limit = kSummarised;
  POSTERN_CO_TRY(const std::vector<queue::Listed> waiting, co_await parts.queue.list(loop, filter));
  out["queued"] = waiting.size();
  out["queued_by_network"] = by_network(waiting);
  co_return json::value(std::move(out));
}

void record(const WatchParts& parts, const std::string& account, std::string kind, std::string detail) {
  log::Event(log::Level::Info, "admin.watch")
      .with("account", account)
      .with("what", kind)
      .with("detail", detail);
  queue::HistoryEvent event;
  event.time = parts.clock.now();
  event.kind = std::move(kind);
  event.account = account;
  event.detail = std::move(detail);
  parts.history.record(std::move(event));
}

/// What the watch froze goes on. An account that an operator froze stays frozen: `postern queue thaw`.
net::Task<Result<>> thaw(net::Loop& loop, const WatchParts& parts, const std::string& account) {
  for (const queue::AccountHold& hold : parts.queue.held_accounts()) {
    if (hold.account_name != account || !hold.reason.starts_with(guard::kFrozenByWatch)) continue;
    const AccountId id = hold.account;
    POSTERN_CO_CHECK(co_await parts.queue.release_account(loop, id));
    break;
  }
  co_return Result<>{};
}

net::Task<Result<json::value>> let_go(net::Loop& loop, const WatchParts& parts, const std::string& account,
                                      bool forgive) {
  queue::Filter filter;
  filter.account = account;
  filter.limit = SIZE_MAX;
  POSTERN_CO_TRY(const queue::Operated waiting, co_await parts.queue.count(loop, filter));
  const bool held = parts.book.is_held(account);
  // The book first: were it the other way round, a message on its way in would freeze the account anew.
  POSTERN_CO_CHECK(forgive ? parts.book.forgive(account) : parts.book.release(account));
  const Result<> thawed = co_await thaw(loop, parts, account);
  if (!thawed) co_return thawed.error();
  const std::size_t messages = held ? waiting.messages : 0;
  record(parts, account, forgive ? "account forgiven" : "account released",
         std::to_string(messages) + " queued messages go on");
  if (parts.ended) parts.ended(account, forgive ? "forgive" : "release");
  Result<json::value> out = co_await show(loop, parts, account);
  if (out) out->as_object()["released_messages"] = messages;
  co_return out;
}

Result<queue::Filter> purge_filter(const json::object& request, const std::string& account) {
  queue::Filter filter;
  if (const json::value* given = request.if_contains("filter")) {
    POSTERN_TRY(filter, filter_from_json(*given));
  }
  const bool narrowed =
      filter.accepted_since || filter.accepted_before || filter.network || filter.min_novelty > 0;
  if (!narrowed && !flag(request, "all"))
    return fail(Errc::Malformed, "say what to purge: a time, a network, mail to new recipients, or all");
  filter.account = account;
  filter.limit = SIZE_MAX;
  return filter;
}

/// Removes what was named, and nothing that came in between: by id.
net::Task<Result<json::value>> purge(net::Loop& loop, const WatchParts& parts, const json::object& request,
                                     const std::string& account) {
  POSTERN_CO_TRY(const queue::Filter filter, purge_filter(request, account));
  const bool really = flag(request, "really");
  POSTERN_CO_TRY(const std::vector<queue::Listed> found, co_await parts.queue.list(loop, filter));
  json::array named;
  for (std::size_t i = 0; i < std::min(found.size(), kNamed); ++i) named.push_back(to_json(found[i]));
  std::size_t removed = 0;
  if (really) {
    POSTERN_CO_TRY(const queue::Operated done,
                   co_await parts.queue.operate(loop, filter, queue::Operation::Remove));
    removed = done.messages;
    for (const queue::Listed& message : found) {
      queue::HistoryEvent event;
      event.time = parts.clock.now();
      event.id = message.id;
      event.kind = "removed";
      event.account = message.account;
      event.sender = message.sender;
      event.detail = "purged by an operator: mail of a stolen account";
      parts.history.record(std::move(event));
    }
    const std::string detail =
        std::to_string(removed) + " messages removed: " + json::serialize(to_json(filter));
    parts.book.note_event(account, "purge", detail);
    record(parts, account, "account purged", detail);
  }
  co_return json::value(json::object{{"account", utf8(account)},
                                     {"removed", really},
                                     {"count", really ? removed : found.size()},
                                     {"messages", std::move(named)}});
}

net::Task<Result<json::value>> complain(net::Loop& loop, const WatchParts& parts, const json::object& request,
                                        const std::string& account) {
  const json::value* count = request.if_contains("count");
  if (count != nullptr && (!count->is_int64() || count->as_int64() < 1 || count->as_int64() > 1'000'000))
    co_return fail(Errc::Malformed, "\"count\" is a number of messages, 1 to 1000000");
  const auto messages = count == nullptr ? 1U : static_cast<std::uint32_t>(count->as_int64());
  POSTERN_CO_CHECK(parts.book.complain(account, messages));
  record(parts, account, "complaint", std::to_string(messages) + " of its messages were reported as spam");
  Result<json::value> out = co_await show(loop, parts, account);
  co_return out;
}

}  // namespace

net::Task<Result<json::value>> answer_watch(net::Loop& loop, const WatchParts& parts,
                                            const json::object& request) {
  const std::string verb(request.at("verb").as_string());
  if (verb == "watch.ls") co_return json::value(held_accounts(parts.book));
  const json::value* name = request.if_contains("account");
  if (name == nullptr || !name->is_string())
    co_return fail(Errc::Malformed, "the request needs \"account\", a string");
  const std::string account = smtp::to_lower(std::string_view(name->as_string()));
  if (verb == "watch.show") {
    Result<json::value> out = co_await show(loop, parts, account);
    co_return out;
  }
  if (verb == "watch.release" || verb == "watch.forgive") {
    Result<json::value> out = co_await let_go(loop, parts, account, verb == "watch.forgive");
    co_return out;
  }
  if (verb == "watch.purge") {
    Result<json::value> out = co_await purge(loop, parts, request, account);
    co_return out;
  }
  if (verb == "watch.complain") {
    Result<json::value> out = co_await complain(loop, parts, request, account);
    co_return out;
  }
  co_return fail(Errc::Malformed, "no such verb: " + verb);
}

}  // namespace postern::admin
