#pragma once

#include "guard/watch/watch_book.h"
#include "queue/queue.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <vector>

namespace postern::admin {

/// What `postern watch ls|show --json` print.
[[nodiscard]] boost::json::object to_json(const guard::HeldAccount& hold);
[[nodiscard]] boost::json::object to_json(const guard::WatchedAccount& account);

/// Messages by the network that handed them in: [{"network","messages","to_new","first","last"}], the largest first.
/// "to_new": those that went mostly to recipients new to the account.
[[nodiscard]] boost::json::array by_network(const std::vector<queue::Listed>& messages);

}  // namespace postern::admin
