#include "delivery/site.h"

#include "base/log.h"
#include "delivery/tls_session.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace postern::delivery {
namespace {

/// How often a site with waiting mail looks whether it may send.
constexpr std::chrono::milliseconds kLookAgain{100};
/// The rule of failures that concern nobody else at the same hosts.
constexpr const char* kTlsOfDomain = "TLS policy of the recipient's domain";
/// How often an idle connection looks whether somebody else wants its place.
constexpr std::chrono::milliseconds kLookIdle{250};

void count_session(const SiteContext& context, const NextHop& hop, tlspolicy::SessionResult session) {
  if (context.tls_sessions == nullptr || !hop.tls.reported) return;
  session.time = context.clock.now();
  context.tls_sessions->record(std::move(session));
}

std::vector<std::optional<Attempt>> same_for_all(const Job& job, const Attempt& attempt) {
  return std::vector<std::optional<Attempt>>(job.recipients.size(), attempt);
}

}  // namespace

/// An established connection; lives in its coroutine's frame.
struct Site::Connection {
  std::unique_ptr<Client> client;
  std::shared_ptr<const Peer> peer;
  net::Event work;
  SteadyTime busy_since{};  // of the transaction in progress; {}: none
  std::uint32_t transfers = 0;
  bool kept = false;  // it has been waiting, so the other side may have closed it
};

/// A job whose content is ready to leave.
struct Site::Transfer {
  explicit Transfer(Job j) : job(std::move(j)) {}
  [[nodiscard]] Transaction transaction() const {
    const queue::Lease& lease = job.message->lease;
    return {.envelope = lease.envelope,
            .recipients = job.recipients,
            .eight_bit = lease.eight_bit,
            .smtputf8 = lease.smtputf8,
            .binary = lease.binary,
            .content = *content,
            .by_left = by_left};
  }
  Job job;
  std::unique_ptr<Content> content;
  std::chrono::seconds by_left{0};
};

Site::Site(SiteContext& context, std::shared_ptr<const NextHop> hop, std::shared_ptr<Pace> pace)
    : context_(context), hop_(std::move(hop)), pace_(std::move(pace)), turn_(context.loop) {}

bool Site::idle() const {
  return waiting_.empty() && connections_.empty() && ending_.empty() && !opening_ && !watching_;
}

void Site::add(Job job) {
  if (stopping_) return hand_back(job);
  const SteadyTime now = context_.clock.steady_now();
  if (const std::optional<Pace::Pause> pause = pace_->paused(now); pause && pause->until - now > kHorizon) {
    return postpone(job, std::chrono::ceil<std::chrono::milliseconds>(pause->until - now), pause->why);
  }
  const AccountId account = job.message->lease.account;
  const Urgency urgency = job.message->urgency;
  waiting_.push(account, std::move(job), urgency);
  open_if_needed();
  shed();
  watch_if_needed();
}

void Site::watch_if_needed() {
  if (waiting_.empty() || watching_ || stopping_) return;
  watching_ = true;
  context_.loop.spawn(watch());
}

void Site::open_if_needed() {
  if (waiting_.empty() || stopping_) return;
  if (!idle_.empty()) {
    Connection* connection = idle_.back();
    idle_.pop_back();
    connection->work.notify();
    return;
  }
  // One at a time: while it opens, those that are up may empty the line.
  if (opening_) return;
  const SteadyTime now = context_.clock.steady_now();
  if (pace_->next_message(now) > now + context_.options.idle_timeout) return;
  const Urgency urgency = waiting_.size(Urgency::Prompt) > 0 ? Urgency::Prompt : Urgency::Bulk;
  if (!pace_->take_connection(now, urgency)) return;
  opening_ = true;
  context_.loop.spawn(run_connection());
}

/// While mail waits: connections that other loops give back, pauses that end, and sites that get slow are only
/// noticed by looking.
net::Task<> Site::watch() {
  while (!waiting_.empty() && !stopping_) {
    [[maybe_unused]] const bool woken = co_await turn_.wait_until(context_.clock.steady_now() + kLookAgain);
    shed();
    open_if_needed();
  }
  watching_ = false;
}

net::Task<> Site::run_connection() {
  context_.sessions.fetch_add(1);
  co_await run_session();
  context_.sessions.fetch_sub(1);
}

net::Task<> Site::run_session() {
  Attempt failure;
  std::string security;
  Tries tries;
  std::unique_ptr<Client> client = co_await connect(failure, tries, security);
  opening_ = false;
  if (!client) {
    pace_->give_connection();
    unreachable(std::move(failure));
    co_return;
  }
  auto peer = std::make_shared<const Peer>(Peer{.host = client->target().host,
                                                .ip = client->target().endpoint.ip.text(),
                                                .security = describe_security(*client, security),
                                                .reports = client->extensions().dsn,
                                                .keeps_time = client->extensions().deliver_by,
                                                .route = hop_->route,
                                                .others = tries.describe()});
  Connection connection{std::move(client), std::move(peer), net::Event(context_.loop)};
  context_.metrics.connection_opened();
  connections_.push_back(&connection);
  co_await serve(connection);
  std::erase(connections_, &connection);
  pace_->give_connection();
  open_if_needed();  // what is left needs another connection
  ending_.push_back(&connection);
  co_await connection.client->quit();
  std::erase(ending_, &connection);
}

net::Task<> Site::serve(Connection& connection) {
  std::size_t most = hop_->courtesy->max_messages_per_connection;
  if (const std::size_t announced = connection.client->extensions().most_messages; announced != 0)
    most = std::min(most, announced);
  std::unique_ptr<Transfer> next;
  while (connection.client->usable() && connection.transfers < most) {
    if (pace_->paused(context_.clock.steady_now())) break;
    if (!next) next = co_await next_transfer();
    if (next) {
      const std::unique_ptr<Transfer> current = std::move(next);
      const bool last = connection.transfers + 1 >= most;
      if (!last && wait_is_long()) next = co_await next_transfer();
      const bool in_step = co_await transfer(connection, *current, next.get());
      if (!in_step) break;
      continue;
    }
    if (stopping_) break;
    const bool more = co_await wait_for_work(connection);
    if (!more) break;
  }
  if (next) put_back(std::move(next->job));
}

/// Until there may be something to send; false: it is not worth waiting longer.
net::Task<bool> Site::wait_for_work(Connection& connection) {
  const SteadyTime begun = context_.clock.steady_now();
  const SteadyTime until = begun + context_.options.idle_timeout;
  connection.kept = true;
  if (!waiting_.empty()) {  // the rate says "not yet"
    const SteadyTime next = pace_->next_message(begun);
    if (next > until) co_return false;
    co_await context_.loop.sleep_until(std::min(next, begun + kLookAgain));
    co_return true;
  }
  idle_.push_back(&connection);
  bool woken = false;
  // An idle connection that another loop has mail for is given up.
  for (SteadyTime now = begun; !woken && waiting_.empty() && now < until && !pace_->wanted(now);
       now = context_.clock.steady_now()) {
    woken = co_await connection.work.wait_until(std::min(until, now + kLookIdle));
  }
  std::erase(idle_, &connection);
  co_return woken || !waiting_.empty();
}

/// Looking ahead binds a message to a connection: worth it only when the others have enough to do.
bool Site::wait_is_long() const { return waiting_.size() >= connections_.size(); }

net::Task<std::unique_ptr<Site::Transfer>> Site::next_transfer() {
  while (!waiting_.empty()) {
    const SteadyTime now = context_.clock.steady_now();
    if (pace_->take_message(now) > now) co_return nullptr;
    auto transfer = std::make_unique<Transfer>(waiting_.pop());
    open_if_needed();  // for those behind it
    if (context_.withdrawn(transfer->job.message->lease.id)) {
      hand_back(transfer->job);
      continue;
    }
    Result<std::unique_ptr<Content>> content = co_await context_.open_content(*transfer->job.message);
    if (content) {
      transfer->content = *std::move(content);
      const queue::Lease& lease = transfer->job.message->lease;
      if (const std::optional<smtp::DeliverBy>& by = lease.envelope.params.handling.by) {
        transfer->by_left =
            std::chrono::floor<std::chrono::seconds>(lease.accepted_at + by->within - context_.clock.now());
      }
      co_return transfer;
    }
    // Our own trouble (store, key), not the next hop's.
    const Outcome outcome = local_outcome(Decision::Retry, "4.3.0", content.error().detail);
    context_.finished(transfer->job, same_for_all(transfer->job, Attempt{outcome, nullptr}));
  }
  co_return nullptr;
}

net::Task<bool> Site::transfer(Connection& connection, Transfer& current, const Transfer* ahead) {
  const SteadyTime begun = context_.clock.steady_now();
  const Transaction transaction = current.transaction();
  const std::optional<Transaction> following =
      ahead != nullptr ? std::optional(ahead->transaction()) : std::nullopt;
  connection.busy_since = begun;
  TransactionResult result = co_await connection.client->send(transaction, following ? &*following : nullptr);
  connection.busy_since = {};
  if (result.untouched && (connection.kept || connection.transfers > 0)) {
    // The next hop had closed a connection we kept: that is no attempt.
    put_back(std::move(current.job));
    co_return false;
  }
  ++connection.transfers;
  const std::chrono::nanoseconds took = context_.clock.steady_now() - begun;
  context_.metrics.transaction(took);
  constexpr double kWeight = 0.1;  // of the newest in the average
  const double milliseconds = std::chrono::duration<double, std::milli>(took).count();
  milliseconds_each_ += (milliseconds - milliseconds_each_) * (milliseconds_each_ == 0 ? 1.0 : kWeight);
  conclude(connection, current, std::move(result));
  co_return true;
}

/// What a transaction says about the site as a whole.
void Site::learn(const TransactionResult& result, const std::shared_ptr<const Peer>& peer) {
  bool taken = false;
  bool lost = false;
  for (const std::optional<Outcome>& outcome : result.outcomes) {
    if (!outcome) continue;
    taken |= outcome->decision == Decision::Done;
    lost |= !outcome->remote && (outcome->status == "4.4.2" || outcome->status == "4.5.0");
    if (!outcome->site) continue;
    pace_->pushed_back(Attempt{*outcome, peer}, context_.clock.steady_now(), context_.rng);
    log::Event(log::Level::Info, "delivery.slow_down")
        .with("site", hop_->budget)
        .with("reply", outcome->text)
        .with("rule", outcome->rule)
        .with("connections", pace_->limit());
    return;
  }
  if (taken) pace_->succeeded();
  if (lost) pace_->stumbled();
}

void Site::conclude(Connection& connection, Transfer& transfer, TransactionResult result) {
  const Job& job = transfer.job;
  learn(result, connection.peer);
  Job rest{job.message, {}};
  Job decided{job.message, {}};
  std::vector<std::optional<Attempt>> attempts;
  for (std::size_t i = 0; i < job.recipients.size(); ++i) {
    if (!result.outcomes[i]) {
      rest.recipients.push_back(job.recipients[i]);
      continue;
    }
    decided.recipients.push_back(job.recipients[i]);
    attempts.emplace_back(Attempt{*std::move(result.outcomes[i]), connection.peer});
  }
  if (!rest.recipients.empty()) {
    ++job.message->open_jobs;
    put_back(std::move(rest));
  }
  context_.finished(decided, std::move(attempts));
}

net::Task<Route> Site::find_addresses() {
  Route route;
  if (hop_->relay != nullptr) {
    route = co_await find_relay(context_.resolver, hop_->relay->where.host, hop_->port);
  } else {
    route =
        co_await find_targets(context_.resolver, context_.identity, hop_->hosts, hop_->port, context_.rng);
  }
  const std::size_t all = route.targets.size();
  std::erase_if(route.targets, [this](const Target& t) { return !hop_->egress.reaches(t.endpoint.ip); });
  if (all > 0 && route.targets.empty()) {
    route.failure = local_outcome(Decision::Retry, "4.4.4",
                                  "route " + hop_->route + " has no source address of the next hop's family");
  }
  co_return route;
}

net::Task<std::unique_ptr<Client>> Site::connect(Attempt& failure, Tries& tries, std::string& security) {
  Route route = co_await find_addresses();
  failure.outcome = std::move(route.failure);
  bool only_tls = !route.targets.empty();
  for (std::size_t i = 0; i < route.targets.size(); ++i) {
    Target& target = route.targets[i];
    if (stopping_) break;
    const std::chrono::seconds within = connect_patience(route.targets, i);
    const net::IpAddress ip = target.endpoint.ip;
    Peer peer{.host = target.host, .ip = ip.text(), .security = "", .route = hop_->route};
    if (context_.dead_hosts.contains(ip, context_.clock.steady_now())) {
      Outcome skipped = local_outcome(Decision::Retry, "4.4.1",
                                      peer.host + " [" + peer.ip + "] did not answer a moment ago");
      tries.add(std::move(peer), std::move(skipped), Tries::Reached::Skipped);
      only_tls = false;
      continue;
    }
    Client::Opened opened = co_await connect_to(std::move(target), within, security);
    if (opened.client) co_return std::move(opened.client);
    only_tls = only_tls && opened.tls_short;
    // What a proxy cannot reach may be reached without it.
    if (opened.silent && !hop_->egress.socks5) context_.dead_hosts.add(ip, context_.clock.steady_now());
    peer.security = describe_security(opened.tls, security);
    tries.add(std::move(peer), std::move(opened.failure),
              opened.silent ? Tries::Reached::Nothing : Tries::Reached::Session);
  }
  if (!tries.empty()) failure = std::move(tries).decide();
  // What one domain asks for is no reason to spare hosts that serve others as well.
  if (only_tls && (!hop_->tls.domain.empty() || hop_->wish == TlsWish::Protected))
    failure.outcome.rule = kTlsOfDomain;
  co_return nullptr;
}

net::Task<Client::Opened> Site::connect_to(Target target, std::chrono::seconds within,
                                           std::string& security) {
  Result<TlsDecision> tls = co_await context_.tls.of_host(*hop_, target);
  Client::Opened opened;
  if (!tls) {
    const bool dns = tls.error().code == Errc::Unavailable;
    opened.tls_short = true;
    const std::string why = target.host + ": " + tls.error().detail;
    opened.failure = local_outcome(Decision::Retry, dns ? "4.4.3" : "4.7.5", why);
    if (!dns) protect(opened);
    count_session(context_, *hop_, unusable_host(*hop_, target, tls.error()));
    co_return opened;
  }
  security = tls->reason;
  const Client::Setting setting{context_.identity.hostname,
                                context_.options,
                                context_.clock,
                                hop_->courtesy->replies,
                                hop_->egress,
                                nullptr,
                                within};
  Manners manners = *hop_->manners;
  manners.tls = tls->policy;
  manners.tls_client = tls->client;
  manners.tls_peer = tls->peer;
  opened = co_await Client::open(context_.loop, target, manners, setting);
  for (const tlspolicy::SessionResult& result : sessions_of(*hop_, target, *tls, opened))
    count_session(context_, *hop_, result);
  if (hop_->wish == TlsWish::Protected && opened.client && !opened.client->extensions().require_tls) {
    co_await opened.client->quit();
    opened.client.reset();
    opened.failure = local_outcome(Decision::Failed, "5.7.30", target.host + " does not offer REQUIRETLS");
  }
  protect(opened);
  if (opened.client || !opened.tls_broke || manners.tls != TlsPolicy::Opportunistic) co_return opened;

  // RFC 7435: TLS that does not work is worth no less than none, so the mail goes in the clear.
  log::Event(log::Level::Info, "delivery.tls_fallback")
      .with("host", target.host)
      .with("reason", opened.failure.text);
  security += ", TLS failed";
  const Manners in_the_clear{.tls = TlsPolicy::None, .tls_client = nullptr, .user = "", .password = ""};
  opened = co_await Client::open(context_.loop, std::move(target), in_the_clear, setting);
  co_return opened;
}

/// RFC 8689 §4.2.1: mail with REQUIRETLS does not wait for TLS to get better, it goes back.
void Site::protect(Client::Opened& opened) const {
  if (hop_->wish != TlsWish::Protected || opened.client || !opened.tls_short) return;
  opened.failure = local_outcome(Decision::Failed, "5.7.10", "REQUIRETLS: " + opened.failure.text);
}

void Site::unreachable(Attempt failure) {
  log::Event(log::Level::Info, "delivery.unreachable")
      .with("site", hop_->budget)
      .with("decision", to_string(failure.outcome.decision))
      .with("reason", failure.outcome.text);
  if (stopping_) {
    while (!waiting_.empty()) hand_back(waiting_.pop());
    return;
  }
  if (failure.outcome.decision == Decision::Retry && failure.outcome.rule != kTlsOfDomain &&
      !pace_->unreachable(failure, context_.clock.steady_now(), context_.rng)) {
    return;  // those that are up carry on; the next hop may only limit their number
  }
  if (connections_.empty()) decide_all(failure);
}

void Site::decide_all(const Attempt& failure) {
  while (!waiting_.empty()) {
    const Job job = waiting_.pop();
    context_.finished(job, same_for_all(job, failure));
  }
}

// ---- what waits too long goes back to the queue

/// A transaction that is under way says so as soon as it takes longer than those before it.
std::chrono::milliseconds Site::time_per_message() const {
  double each = std::max(1.0, milliseconds_each_);
  if (const Rate& rate = hop_->courtesy->rate; rate.messages != 0) {
    const double of_rate = static_cast<double>(rate.window.count()) / rate.messages;
    each = std::max(each, of_rate * static_cast<double>(std::max<std::size_t>(1, connections_.size())));
  }
  const SteadyTime now = context_.clock.steady_now();
  for (const Connection* connection : connections_) {
    if (connection->busy_since == SteadyTime{}) continue;
    const std::chrono::duration<double, std::milli> so_far = now - connection->busy_since;
    each = std::max(each, so_far.count());
  }
  return std::chrono::milliseconds{
      static_cast<std::int64_t>(each / static_cast<double>(std::max<std::size_t>(1, connections_.size())))};
}

std::size_t Site::most_waiting() const {
  constexpr std::size_t kLeast = 10;
  const std::chrono::duration<double, std::milli> horizon = kHorizon * (0.1 + 0.9 * context_.free_room());
  const auto most = horizon / std::max(std::chrono::milliseconds{1}, time_per_message());
  return std::max(kLeast, static_cast<std::size_t>(most));
}

void Site::shed() {
  const SteadyTime now = context_.clock.steady_now();
  const std::optional<Pace::Pause> pause = pace_->paused(now);
  if (pause && pause->until - now > kHorizon) {
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(pause->until - now);
    while (!waiting_.empty()) postpone(waiting_.pop(), rest, pause->why);
    return;
  }
  const std::size_t most = most_waiting();
  while (waiting_.size() > most) {
    const std::string why = std::to_string(waiting_.size()) + " messages are before it at " + hop_->site;
    postpone(waiting_.pop_excess(), kHorizon, {local_outcome(Decision::Postponed, "4.4.5", why), nullptr});
  }
}

void Site::postpone(const Job& job, std::chrono::milliseconds not_before, const Attempt& why) {
  Attempt attempt = why;
  attempt.outcome.decision = Decision::Postponed;
  attempt.outcome.wait = pace_->take_turn(context_.clock.steady_now(), not_before,
                                          std::min<std::chrono::milliseconds>(time_per_message(), kHorizon));
  context_.finished(job, same_for_all(job, attempt));
}

void Site::put_back(Job job) {
  if (stopping_) return hand_back(job);
  const AccountId account = job.message->lease.account;
  const Urgency urgency = job.message->urgency;
  waiting_.push_front(account, std::move(job), urgency);
  watch_if_needed();
}

void Site::hand_back(const Job& job) {
  context_.finished(job, std::vector<std::optional<Attempt>>(job.recipients.size()));
}

void Site::stop() {
  stopping_ = true;
  while (!waiting_.empty()) hand_back(waiting_.pop());
  turn_.notify();
  for (Connection* connection : std::exchange(idle_, {})) connection->work.notify();
}

void Site::cancel() {
  for (Connection* connection : connections_) connection->client->cancel();
  for (Connection* connection : ending_) connection->client->cancel();
}

}  // namespace postern::delivery
