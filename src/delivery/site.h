#pragma once

#include "base/clock.h"
#include "delivery/client.h"
#include "delivery/dead_hosts.h"
#include "delivery/fair_queue.h"
#include "delivery/message.h"
#include "delivery/metrics.h"
#include "delivery/options.h"
#include "delivery/route.h"
#include "dns/resolver.h"
#include "net/event.h"
#include "net/loop.h"
#include "net/task.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace postern::delivery {

/// What all sites of one loop share. Borrowed: it outlives them.
struct SiteContext {
  net::Loop& loop;
  dns::Resolver& resolver;
  const Options& options;
  const Identity& identity;
  const Clock& clock;
  Metrics& metrics;
  DeadHosts& dead_hosts;
  Rng& rng;
  Manners manners;                       ///< towards every site of this loop
  const Smarthost* smarthost = nullptr;  ///< set: every site is this relay
  std::atomic<std::size_t>& sessions;    ///< those being opened, used or ended
  std::uint32_t max_connections;         ///< this loop's share of options.max_connections

  /// Makes the content of a message ready to leave (signed); an Outcome when it cannot.
  std::function<net::Task<Result<std::unique_ptr<Content>>>(ActiveMessage&)> open_content;
  /// Whether an operator has withdrawn a leased message.
  std::function<bool(QueueId)> withdrawn;
  /// A job is over. `attempts` are in the order of job.recipients; nullopt: not tried.
  std::function<void(const Job&, std::vector<std::optional<Attempt>>)> finished;
};

/// One destination as seen by one loop: the mail that waits for it and the connections that carry it.
/// A connection is opened when mail waits and none is idle, one at a time; it takes message after message,
/// stays open for options.idle_timeout, and ends with QUIT. While no connection is up, a failure to open one
/// decides all waiting mail, and for options.dead_host_memory all that arrives.
///
/// Owns     its connections (coroutines on the loop); destroy it only when idle().
/// Threads  its loop only.
/// Limits   max_connections; the waiting jobs are bounded by the dispatcher's active set.
class Site {
 public:
  Site(SiteContext& context, std::string destination);
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  /// May call context.finished at once.
  void add(Job job);
  /// Finishes what is being sent, hands back the rest untried.
  void stop();
  /// Ends transfers in progress as lost connections.
  void cancel();
  /// The next mail is worth another connection.
  void forget_failure() { dead_until_ = {}; }

  /// No mail, no connection, nothing to remember.
  [[nodiscard]] bool idle() const;
  [[nodiscard]] std::size_t connections() const { return connections_.size(); }

 private:
  struct Connection;
  struct Transfer;

  net::Task<> run_connection();
  net::Task<> run_session();
  net::Task<std::unique_ptr<Client>> connect(Attempt& failure);
  net::Task<Client::Opened> connect_to(Target target);
  net::Task<> serve(Connection& connection);
  net::Task<std::unique_ptr<Transfer>> next_transfer();
  net::Task<bool> transfer(Connection& connection, Transfer& current, const Transfer* ahead);
  void conclude(Connection& connection, Transfer& transfer, TransactionResult result);
  bool wait_is_long() const;
  void put_back(Job job);

  void open_if_needed();
  void unreachable(Attempt failure);
  void decide_all(const Attempt& failure);
  void hand_back(const Job& job);

  SiteContext& context_;
  std::string destination_;
  FairQueue<Job> waiting_;
  std::vector<Connection*> connections_;  // established
  std::vector<Connection*> idle_;
  std::vector<Connection*> ending_;  // saying QUIT
  bool opening_ = false;
  bool stopping_ = false;
  SteadyTime dead_until_{};
  Attempt last_failure_;
};

}  // namespace postern::delivery
