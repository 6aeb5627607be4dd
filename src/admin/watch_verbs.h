#pragma once

#include "base/clock.h"
#include "guard/watch/watch_book.h"
#include "net/loop.h"
#include "net/task.h"
#include "queue/history.h"
#include "queue/queue.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <functional>
#include <string>

namespace postern::admin {

/// Percent of new recipients from which on a message counts as one to strangers.
constexpr std::uint32_t kMostlyNew = 50;

/// What the verbs about stolen accounts work with: those of a running server, or of the command line on its files.
/// Borrowed.
struct WatchParts {
  guard::WatchBook& book;
  queue::Queue& queue;
  queue::History& history;
  const Clock& clock;
  /// An operator ended a hold; must not block. May be empty.
  std::function<void(const std::string& account, const std::string& kind)> ended = {};
};

/// Answers {"verb":"watch.ls"} and {"verb":"watch.show|release|forgive|complain|purge","account":...}.
///   complain  "count": messages that were reported
///   purge     "filter" (accepted_since, accepted_before, network, min_novelty), or "all": true; and "really": false
///             only names what true removes
/// Both must live until the task ends. Errors: Malformed, NotFound, those of book and queue.
net::Task<Result<boost::json::value>> answer_watch(net::Loop& loop, const WatchParts& parts,
                                                   const boost::json::object& request);

}  // namespace postern::admin
