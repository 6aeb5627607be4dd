#include "app/hook_calls.h"

#include "base/log.h"

#include <algorithm>
#include <array>

namespace postern::app {
namespace {

using std::chrono::seconds;

constexpr std::array kPauses{seconds{2}, seconds{15}, seconds{60}, seconds{300}, seconds{900}, seconds{3600}};
constexpr std::chrono::hours kGiveUpAfter{72};
constexpr std::chrono::milliseconds kApart{50};  // what begins together after a start

void forget(Parts& parts, const std::string& id) {
  if (const Result<> ended = parts.watch->end_call(id); !ended)
    log::Event(log::Level::Error, "watch.not_written").with("why", ended.error().detail);
}

void give_up(Parts& parts, const guard::PendingCall& call, const std::string& why) {
  log::Event(log::Level::Error, "webhook.given_up").with("id", call.id).with("why", why);
  parts.watch_metrics->webhook.add(HookResult::GivenUp);
  forget(parts, call.id);
}

net::Task<> repeat_until_taken(Parts& parts, net::Loop& loop, guard::PendingCall call,
                               std::chrono::milliseconds pause) {
  co_await loop.sleep_until(parts.clock.steady_now() + pause);
  for (std::size_t attempt = 0;; ++attempt) {
    const std::shared_ptr<admin::Webhook> hook = *parts.watch_webhook.now();
    if (!hook) {
      give_up(parts, call, "no webhook is configured any more");
      co_return;
    }
    const Result<> told = co_await hook->call(loop, call.id, call.body);
    if (told) {
      log::Event(log::Level::Info, "webhook.told").with("id", call.id);
      parts.watch_metrics->webhook.add(HookResult::Told);
      forget(parts, call.id);
      co_return;
    }
    log::Event(log::Level::Warning, "webhook.failed").with("id", call.id).with("why", told.error().detail);
    parts.watch_metrics->webhook.add(HookResult::Failed);
    if (parts.clock.now() - call.since > kGiveUpAfter) {
      give_up(parts, call, told.error().detail);
      co_return;
    }
    co_await loop.sleep_until(parts.clock.steady_now() + kPauses.at(std::min(attempt, kPauses.size() - 1)));
  }
}

}  // namespace

Result<std::shared_ptr<admin::Webhook>> make_webhook(Parts& parts, const guard::WatchOptions& options) {
  if (options.webhook.empty()) return std::shared_ptr<admin::Webhook>();
  POSTERN_TRY(
      std::shared_ptr<admin::Webhook> hook,
      admin::Webhook::create(options.webhook, options.webhook_secret_file, parts.clock, parts.lookup));
  return hook;
}

void tell_webhook(Parts& parts, net::Loop& loop, std::string id, std::string body) {
  if (!*parts.watch_webhook.now()) return;
  guard::PendingCall call{std::move(id), parts.clock.now(), std::move(body)};
  const Result<bool> kept = parts.watch->add_call(call);
  if (!kept || !*kept) {
    log::Event(log::Level::Error, "webhook.not_kept")
        .with("id", call.id)
        .with("why", kept ? "it waits already, or too many calls do" : kept.error().detail);
  }
  loop.spawn(repeat_until_taken(parts, loop, std::move(call), std::chrono::milliseconds{0}));
}

void resume_webhook_calls(Parts& parts, net::Loop& loop) {
  Result<std::vector<guard::PendingCall>> calls = parts.watch->calls();
  if (!calls) {
    log::Event(log::Level::Error, "watch.not_read").with("why", calls.error().detail);
    return;
  }
  std::chrono::milliseconds pause{0};
  for (guard::PendingCall& call : *calls) {
    loop.spawn(repeat_until_taken(parts, loop, std::move(call), pause));
    pause += kApart;
  }
}

}  // namespace postern::app
