#include "delivery/site.h"

#include "base/log.h"

#include <algorithm>
#include <utility>

namespace postern::delivery {
namespace {

std::shared_ptr<const Peer> make_peer(const std::string& host, const net::IpAddress& ip,
                                      std::string security) {
  return std::make_shared<const Peer>(Peer{.host = host, .ip = ip.text(), .security = std::move(security)});
}

std::shared_ptr<const Peer> describe(const Client& client) {
  std::string security = "cleartext";
  if (client.stream().is_tls()) {
    const net::TlsInfo tls = client.stream().tls_info();
    security = tls.version + " " + tls.cipher;
  }
  return make_peer(client.target().host, client.target().endpoint.ip, std::move(security));
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
            .content = *content};
  }
  Job job;
  std::unique_ptr<Content> content;
};

Site::Site(SiteContext& context, std::string destination)
    : context_(context), destination_(std::move(destination)) {}

bool Site::idle() const {
  return waiting_.empty() && connections_.empty() && ending_.empty() && !opening_ &&
         context_.clock.steady_now() >= dead_until_;
}

void Site::add(Job job) {
  if (stopping_) return hand_back(job);
  if (connections_.empty() && context_.clock.steady_now() < dead_until_) {
    return context_.finished(job, same_for_all(job, last_failure_));
  }
  const AccountId account = job.message->lease.account;
  waiting_.push(account, std::move(job));
  open_if_needed();
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
  if (opening_ || connections_.size() >= context_.max_connections) return;
  opening_ = true;
  context_.loop.spawn(run_connection());
}

net::Task<> Site::run_connection() {
  context_.sessions.fetch_add(1);
  co_await run_session();
  context_.sessions.fetch_sub(1);
}

net::Task<> Site::run_session() {
  Attempt failure;
  std::unique_ptr<Client> client = co_await connect(failure);
  opening_ = false;
  if (!client) {
    unreachable(std::move(failure));
    co_return;
  }
  std::shared_ptr<const Peer> peer = describe(*client);
  Connection connection{std::move(client), std::move(peer), net::Event(context_.loop)};
  context_.metrics.connection_opened();
  connections_.push_back(&connection);
  co_await serve(connection);
  std::erase(connections_, &connection);
  open_if_needed();  // what is left needs another connection
  ending_.push_back(&connection);
  co_await connection.client->quit();
  std::erase(ending_, &connection);
}

net::Task<> Site::serve(Connection& connection) {
  std::unique_ptr<Transfer> next;
  while (connection.client->usable() && connection.transfers < context_.options.max_messages_per_connection) {
    if (!next) next = co_await next_transfer();
    if (next) {
      const std::unique_ptr<Transfer> current = std::move(next);
      const bool last = connection.transfers + 1 >= context_.options.max_messages_per_connection;
      if (!last && wait_is_long()) next = co_await next_transfer();
      const bool in_step = co_await transfer(connection, *current, next.get());
      if (!in_step) break;
      continue;
    }
    if (stopping_) break;
    connection.kept = true;
    idle_.push_back(&connection);
    const SteadyTime until = context_.clock.steady_now() + context_.options.idle_timeout;
    const bool woken = co_await connection.work.wait_until(until);
    std::erase(idle_, &connection);
    if (!woken && waiting_.empty()) break;
  }
  if (next) put_back(std::move(next->job));
}

/// Looking ahead binds a message to a connection: worth it only when the others have enough to do.
bool Site::wait_is_long() const { return waiting_.size() >= connections_.size(); }

net::Task<std::unique_ptr<Site::Transfer>> Site::next_transfer() {
  while (!waiting_.empty()) {
    auto transfer = std::make_unique<Transfer>(waiting_.pop());
    open_if_needed();  // for those behind it
    if (context_.withdrawn(transfer->job.message->lease.id)) {
      hand_back(transfer->job);
      continue;
    }
    Result<std::unique_ptr<Content>> content = co_await context_.open_content(*transfer->job.message);
    if (content) {
      transfer->content = *std::move(content);
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
  TransactionResult result = co_await connection.client->send(transaction, following ? &*following : nullptr);
  if (result.untouched && (connection.kept || connection.transfers > 0)) {
    // The next hop had closed a connection we kept: that is no attempt.
    put_back(std::move(current.job));
    co_return false;
  }
  ++connection.transfers;
  context_.metrics.transaction(context_.clock.steady_now() - begun);
  conclude(connection, current, std::move(result));
  co_return true;
}

void Site::conclude(Connection& connection, Transfer& transfer, TransactionResult result) {
  const Job& job = transfer.job;
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

net::Task<std::unique_ptr<Client>> Site::connect(Attempt& failure) {
  Route route;
  if (context_.smarthost != nullptr) {
    route = co_await find_relay(context_.resolver, context_.smarthost->host, context_.smarthost->port);
  } else {
    route = co_await find_route(context_.resolver, context_.identity, destination_, context_.options.port,
                                context_.rng);
  }
  failure.outcome = std::move(route.failure);
  bool may_work_later = false;
  for (Target& target : route.targets) {
    if (stopping_) break;
    const net::IpAddress ip = target.endpoint.ip;
    const std::string host = target.host;
    if (context_.dead_hosts.contains(ip, context_.clock.steady_now())) {
      failure.outcome =
          local_outcome(Decision::Retry, "4.4.1", host + " [" + ip.text() + "] did not answer a moment ago");
      may_work_later = true;
      continue;
    }
    Client::Opened opened = co_await connect_to(std::move(target));
    if (opened.client) co_return std::move(opened.client);
    if (opened.silent) context_.dead_hosts.add(ip, context_.clock.steady_now());
    // One host that may work later outweighs those that never will.
    const bool permanent = opened.failure.decision == Decision::Failed;
    if (!permanent || !may_work_later) {
      failure.peer = make_peer(host, ip, "");
      failure.outcome = std::move(opened.failure);
    }
    may_work_later |= !permanent;
  }
  co_return nullptr;
}

net::Task<Client::Opened> Site::connect_to(Target target) {
  Client::Opened opened = co_await Client::open(context_.loop, target, context_.manners,
                                                context_.identity.hostname, context_.options, context_.clock);
  if (opened.client || !opened.tls_broke || context_.manners.tls != TlsPolicy::Opportunistic)
    co_return opened;

  // RFC 7435: TLS that does not work is worth no less than none, so the mail goes in the clear.
  log::Event(log::Level::Info, "delivery.tls_fallback")
      .with("host", target.host)
      .with("reason", opened.failure.text);
  const Manners in_the_clear{.tls = TlsPolicy::None, .tls_client = nullptr, .user = "", .password = ""};
  opened = co_await Client::open(context_.loop, std::move(target), in_the_clear, context_.identity.hostname,
                                 context_.options, context_.clock);
  co_return opened;
}

void Site::unreachable(Attempt failure) {
  log::Event(log::Level::Info, "delivery.unreachable")
      .with("destination", destination_)
      .with("decision", to_string(failure.outcome.decision))
      .with("reason", failure.outcome.text);
  if (stopping_) {
    while (!waiting_.empty()) hand_back(waiting_.pop());
    return;
  }
  if (!connections_.empty()) return;  // those that are up carry on; the next hop may only limit their number
  if (failure.outcome.decision == Decision::Retry) {
    dead_until_ = context_.clock.steady_now() + context_.options.dead_host_memory;
  }
  last_failure_ = std::move(failure);
  decide_all(last_failure_);
}

void Site::decide_all(const Attempt& failure) {
  while (!waiting_.empty()) {
    const Job job = waiting_.pop();
    context_.finished(job, same_for_all(job, failure));
  }
}

void Site::put_back(Job job) {
  if (stopping_) return hand_back(job);
  const AccountId account = job.message->lease.account;
  waiting_.push_front(account, std::move(job));
}

void Site::hand_back(const Job& job) {
  context_.finished(job, std::vector<std::optional<Attempt>>(job.recipients.size()));
}

void Site::stop() {
  stopping_ = true;
  while (!waiting_.empty()) hand_back(waiting_.pop());
  for (Connection* connection : std::exchange(idle_, {})) connection->work.notify();
}

void Site::cancel() {
  for (Connection* connection : connections_) connection->client->cancel();
  for (Connection* connection : ending_) connection->client->cancel();
}

}  // namespace postern::delivery
