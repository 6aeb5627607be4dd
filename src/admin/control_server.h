#pragma once

#include "base/clock.h"
#include "guard/watch/watch_book.h"
#include "net/listener.h"
#include "net/offload.h"
#include "queue/history.h"
#include "queue/queue.h"

#include <boost/json/value.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace postern::admin {

/// What the control socket works with. Borrowed: it outlives the server.
struct ControlServices {
  queue::Queue& queue;
  queue::History& history;
  const Clock& clock;
  std::function<void()> try_now;      ///< an operator wants attempts now; must not block
  guard::WatchBook* watch = nullptr;  ///< nullptr: [watch] is off
  /// An operator ended the hold of an account; must not block. May be empty.
  std::function<void(const std::string& account, const std::string& kind)> hold_ended = {};
  /// The limits of an account and how far they are used. May be empty.
  std::function<Result<boost::json::value>(const std::string& account)> limits_of = {};
  /// How fast delivery speaks to a site now (delivery::Pace); null: nothing is known of it. May be empty.
  std::function<boost::json::value(const std::string& budget)> pace_of = {};
};

/// The control socket: operators' verbs on a running server. One request and one answer a connection.
///
/// Owns     the socket file; whoever may open it (mode 0600) may do everything.
/// Threads  its loop's; destroy after the loop has ended.
/// Limits   64 KiB of request, kMaxConnections at once, a minute for all of it.
/// Errors   go to the client as {"error":{"code":...,"message":...}}.
class ControlServer {
 public:
  static constexpr std::size_t kMaxConnections = 16;

  [[nodiscard]] static Result<std::unique_ptr<ControlServer>> open(net::Loop& loop, const std::string& path,
                                                                   ControlServices services);

  /// Takes no more connections. On the loop.
  void close() { listener_->close(); }

  /// One request's answer, without the connection around it.
  net::Task<boost::json::value> answer(std::string request);

 private:
  ControlServer(net::Loop& loop, ControlServices services) : loop_(loop), services_(std::move(services)) {}
  net::Task<> serve(net::Stream stream);
  net::Task<Result<boost::json::value>> perform(const boost::json::object& request);
  net::Task<Result<boost::json::value>> list(const boost::json::object& request);
  net::Task<Result<boost::json::value>> operate(const boost::json::object& request);
  void record_operation(const queue::Listed& message, const queue::Filter& filter,
                        queue::Operation operation);
  net::Task<Result<boost::json::value>> group(const boost::json::object& request);
  net::Task<Result<boost::json::value>> count(const boost::json::object& request);
  net::Task<Result<boost::json::value>> freeze(const boost::json::object& request, bool freezes);
  net::Task<Result<boost::json::value>> watch(const boost::json::object& request);
  net::Task<Result<boost::json::value>> trace(const boost::json::object& request);

  net::Loop& loop_;
  ControlServices services_;
  std::unique_ptr<net::Listener> listener_;
  std::size_t connections_ = 0;
  net::Offload readers_{1, kMaxConnections};
};

/// What is known of `what`, a queue id or an address, oldest first. NotFound: nothing.
/// `waiting`: the mail in the queue to the address that is asked for.
[[nodiscard]] Result<std::vector<queue::HistoryEvent>> trace_of(queue::History& history,
                                                                const std::string& what,
                                                                const std::vector<queue::Listed>& waiting);

}  // namespace postern::admin
