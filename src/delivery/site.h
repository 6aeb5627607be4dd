#pragma once

#include "base/clock.h"
#include "delivery/client.h"
#include "delivery/dead_hosts.h"
#include "delivery/fair_queue.h"
#include "delivery/message.h"
#include "delivery/metrics.h"
#include "delivery/next_hop.h"
#include "delivery/options.h"
#include "delivery/pace.h"
#include "delivery/route.h"
#include "delivery/tls_decision.h"
#include "delivery/tries.h"
#include "dns/resolver.h"
#include "net/event.h"
#include "net/loop.h"
#include "net/task.h"
#include "tlspolicy/session_log.h"

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
  TlsPolicies& tls;
  tlspolicy::SessionLog* tls_sessions;  ///< nullptr: nobody counts
  std::atomic<std::size_t>& sessions;   ///< those being opened, used or ended
  /// What part of the room for messages in memory is free, 0 to 1: the fuller it is, the less waits at one site.
  std::function<double()> free_room;

  /// Makes the content of a message ready to leave (signed); an Outcome when it cannot.
  std::function<net::Task<Result<std::unique_ptr<Content>>>(ActiveMessage&)> open_content;
  /// Whether an operator has withdrawn a leased message.
  std::function<bool(QueueId)> withdrawn;
  /// A job is over. `attempts` are in the order of job.recipients; nullopt: not tried.
  std::function<void(const Job&, std::vector<std::optional<Attempt>>)> finished;
};

/// One next hop as seen by one loop: the mail that waits for it and the connections that carry it.
/// A connection is opened when mail waits, none is idle and the pace allows it, one at a time; it takes message
/// after message, stays open for options.idle_timeout, and ends with QUIT. While no connection is up, a failure to
/// open one decides all waiting mail. What would have to wait longer than kHorizon goes back to the queue
/// (Decision::Postponed) with a time that lets it come back in turn.
///
/// Owns     its connections (coroutines on the loop); destroy it only when idle().
/// Threads  its loop only; the pace is shared with the sites of other loops.
/// Limits   waiting jobs: as many as go out within kHorizon.
/// See      docs/decisions/0008-sites-and-pace.md
class Site {
 public:
  static constexpr std::chrono::seconds kHorizon{10};

  Site(SiteContext& context, std::shared_ptr<const NextHop> hop, std::shared_ptr<Pace> pace);
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  /// May call context.finished at once.
  void add(Job job);
  /// Finishes what is being sent, hands back the rest untried.
  void stop();
  /// Ends transfers in progress as lost connections.
  void cancel();

  /// No mail, no connection, nothing to remember.
  [[nodiscard]] bool idle() const;
  [[nodiscard]] std::size_t connections() const { return connections_.size(); }

 private:
  struct Connection;
  struct Transfer;

  net::Task<> run_connection();
  net::Task<> run_session();
  net::Task<std::unique_ptr<Client>> connect(Attempt& failure, Tries& tries, std::string& security);
  net::Task<Client::Opened> connect_to(Target target, std::chrono::seconds within, std::string& security);
  void protect(Client::Opened& opened) const;
  net::Task<Route> find_addresses();
  net::Task<> serve(Connection& connection);
  net::Task<bool> wait_for_work(Connection& connection);
  net::Task<std::unique_ptr<Transfer>> next_transfer();
  net::Task<bool> transfer(Connection& connection, Transfer& current, const Transfer* ahead);
  void conclude(Connection& connection, Transfer& transfer, TransactionResult result);
  void learn(const TransactionResult& result, const std::shared_ptr<const Peer>& peer);
  bool wait_is_long() const;
  void put_back(Job job);

  void open_if_needed();
  void watch_if_needed();
  net::Task<> watch();
  void unreachable(Attempt failure);
  void decide_all(const Attempt& failure);
  void hand_back(const Job& job);

  std::chrono::milliseconds time_per_message() const;
  std::size_t most_waiting() const;
  void shed();
  void postpone(const Job& job, std::chrono::milliseconds not_before, const Attempt& why);

  SiteContext& context_;
  std::shared_ptr<const NextHop> hop_;
  std::shared_ptr<Pace> pace_;
  FairQueue<Job> waiting_;
  std::vector<Connection*> connections_;  // established
  std::vector<Connection*> idle_;
  std::vector<Connection*> ending_;  // saying QUIT
  bool opening_ = false;
  bool watching_ = false;
  bool stopping_ = false;
  net::Event turn_;
  double milliseconds_each_ = 0;  // how long a transaction takes, lately
};

}  // namespace postern::delivery
