#include "app/stop.h"

#include "app/service_manager.h"
#include "app/tls_policies.h"
#include "base/log.h"

#include <atomic>

namespace postern::app {
namespace {

constexpr std::chrono::seconds kStopTime{20};

net::Task<> stop_delivery(Parts& parts, SteadyTime deadline, std::atomic<bool>& done) {
  co_await parts.dispatcher->stop(parts.workers.front()->loop, deadline);
  done = true;
}

}  // namespace

void stop(Parts& parts, Signals& signals) {
  notify_service_manager("STOPPING=1");
  log::Event(log::Level::Info, "server.stopping");
  const SteadyTime deadline = parts.clock.steady_now() + kStopTime;
  for (auto& worker : parts.workers) worker->loop.post([&worker] { worker->submission->stop(); });
  net::Loop& first = parts.workers.front()->loop;
  first.post([&parts] { parts.control->close(); });
  std::atomic<bool> done{false};
  first.spawn(stop_delivery(parts, deadline, done));
  while ((!done || parts.connections.total() > 0) && parts.clock.steady_now() < deadline) {
    if (signals.wait(std::chrono::milliseconds{10}) != Request::Stop) continue;
    log::Event(log::Level::Warning, "server.stopped_at_once").with("why", "a second signal");
    break;
  }
  for (auto& worker : parts.workers) worker->loop.stop();
  for (auto& worker : parts.workers) worker->thread.join();
  for (auto& worker : parts.workers) worker->loop.abandon_tasks();
  // stop_delivery() may not have come so far when a second signal cut it off.
  parts.queue->set_on_accepted({});
  parts.queue->set_on_due({});
  parts.dispatcher.reset();
  finish_tls_policies(parts);
  log::Event(log::Level::Info, "server.stopped");
}

}  // namespace postern::app
