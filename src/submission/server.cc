#include "submission/server.h"

#include "base/log.h"
#include "net/proxy_header.h"
#include "submission/replies.h"

#include <algorithm>

namespace postern::submission {
namespace {
constexpr std::chrono::seconds kFarewell{5};
}

ConnectionCount::Verdict ConnectionCount::enter(const net::IpAddress& client) {
  const std::shared_ptr<const Options> options = options_.now();
  const std::lock_guard lock(mutex_);
  if (total_ >= options->max_connections) return Verdict::TooMany;
  std::size_t& from_network = by_network_[client.network(32, 64)];
  if (from_network >= options->max_connections_per_network) return Verdict::TooManyFromNetwork;
  ++from_network;
  ++total_;
  return Verdict::Welcome;
}

void ConnectionCount::leave(const net::IpAddress& client) {
  const std::lock_guard lock(mutex_);
  --total_;
  const auto found = by_network_.find(client.network(32, 64));
  if (found != by_network_.end() && --found->second == 0) by_network_.erase(found);
}

std::size_t ConnectionCount::total() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

void Server::add(std::unique_ptr<net::Listener> listener, Mode mode, std::shared_ptr<net::TlsServer> tls) {
  listener->serve([this, mode, tls = std::move(tls)](net::Stream stream) {
    const net::IpAddress& peer = stream.peer().ip;
    const bool proxied = std::any_of(services_.proxies.begin(), services_.proxies.end(),
                                     [&peer](const net::Network& network) { return network.contains(peer); });
    if (proxied) {
      loop_.spawn(ask_proxy(std::move(stream), mode, tls));
    } else {
      welcome(std::move(stream), mode, tls);
    }
  });
  listeners_.push_back(std::move(listener));
}

net::Task<> Server::ask_proxy(net::Stream stream, Mode mode, std::shared_ptr<net::TlsServer> tls) {
  const SteadyTime deadline = services_.clock.steady_now() + services_.options.now()->handshake_timeout;
  const Result<net::ProxyHeader> header = co_await net::read_proxy_header(stream, deadline);
  if (!header) {
    if (services_.log_budget.take(stream.peer().ip)) {
      log::Event(log::Level::Warning, "submission.bad_proxy_header")
          .with("proxy", stream.peer().ip.text())
          .with("why", header.error().detail);
    }
    co_return;
  }
  if (header->client) stream.set_peer(*header->client);
  welcome(std::move(stream), mode, tls);
}

void Server::welcome(net::Stream stream, Mode mode, const std::shared_ptr<net::TlsServer>& tls) {
  // Load is shed before the banner, so that a busy server answers quickly.
  if (!services_.queue.unavailable_because().empty()) {
    services_.metrics.turned_away(TurnedAway::StoreDown);
    loop_.spawn(turn_away(std::move(stream), replies::store_down(), mode));
    return;
  }
  switch (count_.enter(stream.peer().ip)) {
    case ConnectionCount::Verdict::TooMany:
      services_.metrics.turned_away(TurnedAway::TooMany);
      loop_.spawn(turn_away(std::move(stream), replies::too_busy(), mode));
      return;
    case ConnectionCount::Verdict::TooManyFromNetwork:
      services_.metrics.turned_away(TurnedAway::TooManyFromNetwork);
      loop_.spawn(turn_away(std::move(stream), replies::too_many_connections(), mode));
      return;
    case ConnectionCount::Verdict::Welcome:
      loop_.spawn(serve(std::make_unique<Client>(std::move(stream), tls), mode));
      return;
  }
}

net::Task<> Server::serve(std::unique_ptr<Client> client, Mode mode) {
  const net::IpAddress address = client->stream.peer().ip;
  client->stopping = stopping_;
  live_.insert(client.get());
  services_.metrics.session_begun();
  co_await serve_connection(*client, mode, services_);
  services_.metrics.session_ended();
  live_.erase(client.get());
  count_.leave(address);
}

net::Task<> Server::turn_away(net::Stream stream, smtp::Reply reply, Mode mode) {
  if (services_.log_budget.take(stream.peer().ip)) {
    log::Event(log::Level::Warning, "submission.turned_away")
        .with("client", stream.peer().ip.text())
        .with("reply", reply.lines.front());
  }
  // On 465 a refusal in clear would not be understood, and a handshake is the very work to be saved.
  if (mode == Mode::Implicit) co_return;
  stream.queue(reply.wire());
  co_await stream.shutdown(services_.clock.steady_now() + kFarewell);
}

void Server::stop() {
  stopping_ = true;
  listeners_.clear();
  for (Client* client : std::vector<Client*>(live_.begin(), live_.end())) {
    client->stopping = true;
    if (client->between_commands) client->stream.expire();
  }
}

void Server::end_sessions(const std::string& account) {
  for (Client* client : std::vector<Client*>(live_.begin(), live_.end())) {
    if (client->account != account) continue;
    client->dismissed = true;
    if (client->between_commands) client->stream.expire();
  }
}

}  // namespace postern::submission
