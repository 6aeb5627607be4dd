#include "app/watching.h"

#include "admin/queue_json.h"
#include "app/hold_notice.h"
#include "app/hook_calls.h"
#include "base/log.h"
#include "smtp/ascii.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <set>

namespace postern::app {
namespace {

namespace json = boost::json;

guard::Nearness nearness(accounts::Directory& directory, const std::string& address,
                         const std::string& domain) {
  if (!directory.domain(domain)) return guard::Nearness::Outside;
  return directory.find(address) ? guard::Nearness::Colleague : guard::Nearness::OwnDomain;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += (out.empty() ? "" : "; ") + line;
  return out;
}

net::Task<Result<>> freeze(Parts& parts, net::Loop& loop, const guard::HeldAccount& hold) {
  const std::optional<accounts::Account> account = parts.directory->find(hold.account);
  if (!account) co_return fail(Errc::NotFound, "there is no such account any more");
  // Also when an operator froze it: then it stays so until that operator thaws it.
  if (parts.queue->account_held(account->id)) co_return Result<>{};
  queue::AccountHold frozen{account->id, account->address, hold.since, guard::frozen_because(hold.reasons)};
  const Result<> done = co_await parts.queue->hold_account(loop, std::move(frozen));
  // An operator may have released it in between.
  if (!done || parts.watch->is_held(hold.account)) co_return done;
  const Result<> released = co_await parts.queue->release_account(loop, account->id);
  co_return released;
}

net::Task<Result<>> tell_by_mail(Parts& parts, net::Loop& loop, const guard::HeldAccount& hold,
                                 const std::string& to) {
  if (to.find('@') == std::string::npos) co_return Result<>{};
  std::string content =
      hold_notice({.hostname = parts.config.hostname,
                   .to = to,
                   .now = parts.clock.now(),
                   .keeps_new_mail = parts.watch->options()->new_mail == guard::NewMail::Hold},
                  hold);
  std::string recipient = to;
  smtp::MailParams params;
  const Result<> queued = co_await intake::enqueue_generated(
      loop, *parts.intake, std::move(recipient), report_domain(parts), std::move(content), std::move(params));
  if (!queued)
    log::Event(log::Level::Error, "watch.notice_failed").with("to", to).with("why", queued.error().detail);
  co_return queued;
}

void call_webhook(Parts& parts, net::Loop& loop, const std::string& event, TimePoint when,
                  json::object body) {
  body["event"] = event;
  body["time"] = admin::shown(when);
  body["server"] = parts.config.hostname;
  // The same event has the same id, also from the next process.
  const std::string id = event + "-" + std::string(body.at("account").as_string()) + "-" +
                         std::to_string(when.time_since_epoch().count());
  tell_webhook(parts, loop, id, json::serialize(body));
}

void end_sessions(Parts& parts, const std::string& account) {
  if (const auto known = parts.directory->find(account)) parts.directory->forget_logins(known->id);
  for (auto& worker : parts.workers)
    worker->loop.post([&worker = *worker, account] { worker.submission->end_sessions(account); });
}

/// What follows from a hold, in the order of its urgency. What fails is tried again at the next start.
net::Task<> carry_out(Parts& parts, net::Loop& loop, guard::HeldAccount hold) {
  const Result<> frozen = co_await freeze(parts, loop, hold);
  if (!frozen) {
    log::Event(log::Level::Error, "watch.not_frozen")
        .with("account", hold.account)
        .with("why", frozen.error().detail);
  }
  end_sessions(parts, hold.account);
  parts.history->record({.time = parts.clock.now(),
                         .id = {},
                         .kind = "account held",
                         .account = hold.account,
                         .sender = "",
                         .recipient = "",
                         .detail = joined(hold.reasons)});
  json::array reasons;
  for (const std::string& reason : hold.reasons) reasons.emplace_back(reason);
  call_webhook(
      parts, loop, "watch.hold", hold.since,
      {{"account", admin::utf8(hold.account)}, {"score", hold.score}, {"reasons", std::move(reasons)}});
  const Result<> owner = co_await tell_by_mail(parts, loop, hold, hold.account);
  const std::string notify = parts.watch->options()->notify;
  const Result<> operators = co_await tell_by_mail(parts, loop, hold, notify);
  if (!frozen || !owner || !operators) co_return;
  if (const Result<> marked = parts.watch->mark_told(hold.account); !marked)
    log::Event(log::Level::Error, "watch.not_written").with("why", marked.error().detail);
}

net::Task<> freeze_all(Parts& parts, net::Loop& loop, const std::vector<guard::HeldAccount>& holds,
                       Result<>& out) {
  for (const guard::HeldAccount& hold : holds) {
    const Result<> frozen = co_await freeze(parts, loop, hold);
    if (!frozen && frozen.error().code != Errc::NotFound) out = frozen;
  }
  loop.stop();
}

void build_watch_metrics(Parts& parts) {
  parts.watch_metrics.emplace(parts.registry, *parts.watch);
  parts.watch->on_warning([&parts] { parts.watch_metrics->warnings.add(); });
  parts.watch->on_hold([&parts](const guard::HeldAccount& hold) {
    parts.watch_metrics->holds.add();
    net::Loop& first = parts.workers.front()->loop;
    first.post([&parts, &first, hold] { first.spawn(carry_out(parts, first, hold)); });
  });
}

}  // namespace

WatchMetrics::WatchMetrics(metrics::Registry& registry, const guard::WatchBook& book)
    : holds(registry, "postern_watch_holds_total",
            "Accounts held as stolen. Each one wants an operator: postern watch ls."),
      warnings(registry, "postern_watch_warnings_total",
               "Accounts that came near a hold, or are spared by watch.never_hold."),
      webhook(
          registry, "postern_watch_webhook_total", "result", {"told", "failed", "given_up"},
          "Calls of watch.webhook. failed: to be repeated. given_up: after three days, or because no webhook "
          "is configured any more; the mail about the hold went out beside it."),
      held(registry, "postern_watch_held_accounts", "Accounts that are held now.",
           [&book] { return static_cast<double>(book.held().size()); }),
      in_memory(registry, "postern_watch_accounts_in_memory", "Accounts whose habits are in memory.",
                [&book] { return static_cast<double>(book.in_memory()); }) {}

Result<> build_watch(Parts& parts) {
  const guard::WatchOptions& options = parts.config.watch;
  if (!options.enabled) return {};
  const auto how_near = [&directory = *parts.directory](const std::string& address,
                                                        const std::string& domain) {
    return nearness(directory, address, domain);
  };
  POSTERN_TRY(parts.watch,
              guard::WatchBook::open(parts.config.data_dir + "/watch.db", parts.clock, options, how_near));
  POSTERN_TRY(std::shared_ptr<admin::Webhook> webhook, make_webhook(parts, options));
  parts.watch_webhook.replace(std::move(webhook));
  build_watch_metrics(parts);
  return reconcile_holds(parts);
}

Result<> reconcile_holds(Parts& parts) {
  std::set<std::string> frozen;
  for (const queue::AccountHold& hold : parts.queue->held_accounts()) {
    frozen.insert(hold.account_name);
    const std::string_view reason = hold.reason;
    if (!reason.starts_with(guard::kFrozenByWatch) || parts.watch->is_held(hold.account_name)) continue;
    const std::string why(reason.substr(guard::kFrozenByWatch.size()));
    POSTERN_CHECK(parts.watch->adopt({hold.account_name, hold.since, 0, {why}, false}));
  }
  std::vector<guard::HeldAccount> missing = parts.watch->held();
  std::erase_if(missing, [&](const guard::HeldAccount& hold) { return frozen.contains(hold.account); });
  if (missing.empty()) return {};
  net::Loop loop;
  Result<> done;
  loop.spawn(freeze_all(parts, loop, missing, done));
  loop.run();
  return done;
}

void start_watch(Parts& parts) {
  if (!parts.watch) return;
  net::Loop& first = parts.workers.front()->loop;
  resume_webhook_calls(parts, first);
  for (const guard::HeldAccount& hold : parts.watch->held()) {
    if (!hold.told) first.spawn(carry_out(parts, first, hold));
  }
}

void note_answers(guard::WatchBook& book, const queue::Lease& lease,
                  std::span<const delivery::FinalAnswer> answers) {
  std::vector<guard::Answered> told;
  told.reserve(answers.size());
  for (const delivery::FinalAnswer& answer : answers)
    told.push_back(guard::Answered::of(smtp::to_lower(answer.recipient), answer.unknown, lease.novelty > 0));
  book.delivered(lease.account_name, told);
}

void hold_ended(Parts& parts, const std::string& account, const std::string& kind) {
  call_webhook(parts, parts.workers.front()->loop, "watch." + kind, parts.clock.now(),
               {{"account", admin::utf8(account)}});
}

}  // namespace postern::app
