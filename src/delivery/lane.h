#pragma once

#include "base/clock.h"
#include "delivery/conclusion.h"
#include "delivery/dead_hosts.h"
#include "delivery/message.h"
#include "delivery/metrics.h"
#include "delivery/next_hop.h"
#include "delivery/options.h"
#include "delivery/pace.h"
#include "delivery/room.h"
#include "delivery/route_table.h"
#include "delivery/sandbox.h"
#include "delivery/sign.h"
#include "delivery/site.h"
#include "delivery/site_names.h"
#include "delivery/tls_decision.h"
#include "dns/resolver.h"
#include "net/loop.h"
#include "queue/history.h"
#include "queue/queue.h"
#include "tlspolicy/session_log.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace postern::delivery {

/// Puts a report into the queue, from <> to `recipient`; yields when it is durable. This is intake's
/// enqueue_generated() with the composition root's services.
using EnqueueReport = std::function<net::Task<Result<>>(net::Loop& loop, std::string recipient,
                                                        std::string content, smtp::MailParams params)>;

/// A final answer for one recipient of an account's message.
struct FinalAnswer {
  std::string_view recipient;  ///< valid during the call
  bool unknown = false;        ///< there is no such address; false: it was delivered
};

/// What all lanes share. Borrowed: it outlives them.
struct Services {
  queue::Queue& queue;
  queue::History& history;
  const Signer& signer;
  const Clock& clock;
  Metrics& metrics;
  EnqueueReport enqueue_report;
  /// Told who was delivered to and who does not exist. Any thread.
  std::function<void(const queue::Lease& lease, std::span<const FinalAnswer> answers)> answered = {};
  std::function<Urgency(AccountId)> urgency = {};  ///< any thread; empty: all mail is prompt
  tlspolicy::MtaSts* mta_sts = nullptr;            ///< nullptr: without MTA-STS
  tlspolicy::SessionLog* tls_sessions = nullptr;   ///< nullptr: without reports to domains
};

/// What a configuration says about delivery. Immutable; a reload brings another.
struct Settings {
  Options options;
  Map map;
  std::string sandbox_directory;  ///< in sandbox mode
};

/// What lanes have in common while they run.
struct Shared {
  explicit Shared(std::size_t size) : room(size) {}
  Room room;
  std::shared_ptr<SiteNames> site_names = std::make_shared<SiteNames>();  // the queue outlives us and asks on
  Paces paces;
};

/// One loop's share of delivery: the messages that were given to it, from their lease until they are settled.
/// A message's recipients are grouped by destination into jobs; when all are back the message is concluded:
/// failures are reported to the sender, then everything is settled in the queue, then history and log get
/// their lines.
///
/// What a configuration decides (map, sites, look-ups) is in its Ways. A reload begins other ones: what is being sent by
/// the old ones is finished, what waited there goes back to the queue and comes again by the new ones.
///
/// Threads  its loop only, except sessions().
/// Durable  a report is in the queue before the failure it reports is settled: a crash in between repeats the
///          report and never loses it.
/// Limits   the dispatcher bounds how many messages are given; sites without work are forgotten above
/// kMaxSites.
class Lane {
 public:
  /// `on_concluded` is called once for each message given to deliver().
  Lane(net::Loop& loop, dns::Resolver& resolver, std::shared_ptr<const Settings> settings, Services services,
       Shared& shared, std::function<void()> on_concluded);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// `content`: the whole message when it is at hand.
  void deliver(queue::Lease lease, std::shared_ptr<const std::string> content);
  /// Finishes the transactions in progress and gives the rest back untried.
  void stop();
  /// Ends transactions in progress as lost connections.
  void cancel();
  /// Another configuration from now on.
  void adopt(std::shared_ptr<const Settings> settings);
  /// Hosts and destinations that failed a moment ago are tried again.
  void forget_failures();

  [[nodiscard]] net::Loop& loop() const { return loop_; }
  /// Sessions with next hops that have not ended. Any thread.
  [[nodiscard]] std::size_t sessions() const { return sessions_.load(); }

 private:
  struct Ways;
  [[nodiscard]] std::shared_ptr<Ways> make_ways(std::shared_ptr<const Settings> settings);
  net::Task<> forget_old_ways();

  net::Task<> prepare(std::shared_ptr<ActiveMessage> message);
  net::Task<Result<>> load_and_sign(ActiveMessage& message);
  void start(const std::shared_ptr<ActiveMessage>& message);
  void dispatch(const RouteChoice& choice, const std::string& domain, Job job);
  void refuse_to_send(RouteAction action, const RouteChoice& choice, const Job& job);
  net::Task<> find_site(std::shared_ptr<Ways> ways, const RouteChoice& choice, std::string domain, Job job);
  Site& site(Ways& ways, const std::shared_ptr<const NextHop>& hop);
  [[nodiscard]] bool wants_signature(const ActiveMessage& message) const;
  Result<> sign(ActiveMessage& message, std::string_view header, const std::string& body);
  net::Task<Result<std::unique_ptr<Content>>> open_content(ActiveMessage& message);

  net::Task<> expand(std::shared_ptr<Ways> ways, const RouteChoice& choice, Job job);
  net::Task<> capture(std::shared_ptr<Ways> ways, Job job);
  net::Task<Result<>> capture_content(Sandbox& sandbox, const Job& job);

  void finished(const Job& job, std::vector<std::optional<Attempt>> attempts);
  net::Task<> conclude(std::shared_ptr<ActiveMessage> message);
  net::Task<Result<>> report(const ActiveMessage& message, Report report);
  net::Task<> settle(const ActiveMessage& message, const std::vector<Conclusion>& conclusions);
  void record(const ActiveMessage& message, const std::vector<Conclusion>& conclusions);

  /// In use now. Who waits keeps his own pointer: it is another one afterwards.
  [[nodiscard]] const Settings& settings() const;

  net::Loop& loop_;
  dns::Resolver& resolver_;
  Services services_;
  Shared& shared_;
  std::function<void()> on_concluded_;
  Rng rng_;
  std::atomic<std::size_t> sessions_{0};
  std::shared_ptr<Ways> ways_;
  std::vector<std::shared_ptr<Ways>> old_ways_;  // with transactions that are not over
  bool forgetting_ = false;
  bool stopping_ = false;
};

}  // namespace postern::delivery
