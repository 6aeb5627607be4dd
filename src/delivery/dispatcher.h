#pragma once

#include "base/clock.h"
#include "delivery/lane.h"
#include "net/event.h"
#include "net/loop.h"
#include "net/task.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace postern::delivery {

/// Takes what is due from the queue and spreads it over the lanes, one per loop: messages just accepted come
/// straight from memory, everything else by asking the queue for what is due.
///
/// Owns     the lanes.
/// Threads  construct and destroy while no loop runs; start(), wake(), stop() from any thread.
///          A session that outlived stop() must not run again: stop the loops, destroy this, then the loops.
/// Limits   at most options.max_active messages are in the lanes; the rest stay on disk.
/// See      DESIGN step 10
class Dispatcher {
 public:
  /// One loop, and the resolver that works on it.
  struct Place {
    net::Loop& loop;
    dns::Resolver& resolver;
  };
  Dispatcher(Settings settings, Services services, const std::vector<Place>& places);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  /// Begins to take mail. Once.
  void start();
  /// Something became due, or the store works again.
  void wake();
  /// An operator wants attempts now: wake(), and hosts that did not answer a moment ago are asked again.
  void try_now();
  /// Another configuration from now on; max_active stays as it was. What is being sent is finished as it began, all
  /// else goes by the new one. Any thread.
  void adopt(Settings settings);
  /// Takes no more mail, finishes the transactions in progress, hands back the rest. Await it on any of the
  /// loops. What is not finished at `deadline` is cut off, and will be tried again.
  [[nodiscard]] net::Task<> stop(net::Loop& loop, SteadyTime deadline);

  /// How fast `budget` (NextHop::budget) is spoken to now; nullopt: nothing is known of it. Any thread.
  [[nodiscard]] std::optional<Pace::State> pace(const std::string& budget);
  /// Messages in the lanes.
  [[nodiscard]] std::size_t active() const { return shared_.room.taken(); }

 private:
  void take_fresh(queue::FreshMessage message);
  void spread(std::vector<queue::Lease> leases);
  void concluded();
  net::Task<> poll();
  Lane& next_lane();
  [[nodiscard]] std::size_t backlog_limit() const;
  [[nodiscard]] std::size_t sessions() const;

  const std::size_t max_active_;
  Services services_;
  Shared shared_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::atomic<bool> held_back_{false};  // a fresh message was left on disk
  std::atomic<std::size_t> turn_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> polling_{false};
  net::Event due_;  // on the first lane's loop
};

}  // namespace postern::delivery
