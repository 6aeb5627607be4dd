#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "delivery/message.h"
#include "delivery/route_table.h"
#include "net/loop.h"
#include "net/task.h"
#include "queue/history.h"
#include "queue/queue.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postern::delivery {

/// The addresses behind an alias: the members of the route that its mail takes, and of those that their mail takes in
/// turn. An alias that was met before is left out; what remains of a circle is empty.
[[nodiscard]] std::vector<std::string> members_behind(const RouteTable& routes, std::string_view sender,
                                                      std::string_view alias);

/// What the members are to be told of by their systems when the alias was asked for `notify` (RFC 3461 §5.2.7.3 (c)):
/// all but success, which is told of the alias. A single member is in the alias's place (§5.2.7.2).
[[nodiscard]] smtp::Notify notify_of_members(smtp::Notify notify, std::size_t members);

/// Hands a message that is for an alias in again, for the members: a new message of the same account and sender, as old
/// as the first, with its own id, in whose history both are named.
///
/// Threads  one loop's.
/// Durable  the new message is in the queue before the attempt for the alias is over: a crash in between repeats it.
class Expander {
 public:
  static constexpr std::size_t kMaxMembers = 1000;

  /// All borrowed.
  Expander(net::Loop& loop, queue::Queue& queue, queue::History& history, const Clock& clock)
      : loop_(loop), queue_(queue), history_(history), clock_(clock) {}

  /// For the recipient at `position` of `message`, which takes the route `choice`.
  [[nodiscard]] net::Task<Attempt> expand(const ActiveMessage& message, std::uint32_t position,
                                          const RouteChoice& choice, const RouteTable& routes);

 private:
  [[nodiscard]] net::Task<Result<QueueId>> hand_in(const ActiveMessage& message, std::uint32_t position,
                                                   std::vector<std::string> members);

  net::Loop& loop_;
  queue::Queue& queue_;
  queue::History& history_;
  const Clock& clock_;
};

}  // namespace postern::delivery
