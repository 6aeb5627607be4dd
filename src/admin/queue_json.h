#pragma once

#include "base/result.h"
#include "queue/history.h"
#include "queue/queue.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <string_view>
#include <vector>

namespace postern::admin {

/// "2026-11-24T12:00:00Z"
[[nodiscard]] std::string shown(TimePoint when);

/// Text as JSON carries it: octets that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string utf8(std::string_view octets);

/// What `postern queue ls|show --json` prints of one message.
[[nodiscard]] boost::json::object to_json(const queue::Listed& message);
[[nodiscard]] boost::json::array to_json(const std::vector<queue::Listed>& messages);
/// What `postern trace --json` prints of one event.
[[nodiscard]] boost::json::object to_json(const queue::HistoryEvent& event);
[[nodiscard]] boost::json::array to_json(const std::vector<queue::HistoryEvent>& events);
[[nodiscard]] boost::json::object to_json(const queue::Operated& count);
/// What `postern queue ls --by --json` prints of one group.
[[nodiscard]] boost::json::object to_json(const queue::Grouped& group);
[[nodiscard]] boost::json::array to_json(const std::vector<queue::Grouped>& groups);
/// What `postern queue frozen --json` prints of one account.
[[nodiscard]] boost::json::object to_json(const queue::AccountHold& hold);
[[nodiscard]] boost::json::array to_json(const std::vector<queue::AccountHold>& holds);

[[nodiscard]] boost::json::object to_json(const queue::Filter& filter);
/// Errors: Malformed: unknown member, wrong type, no queue id.
[[nodiscard]] Result<queue::Filter> filter_from_json(const boost::json::value& value);

/// "site", "reason", "account". Error: Malformed.
[[nodiscard]] Result<queue::GroupBy> grouping_named(std::string_view name);

/// "retry", "hold", "release", "rm", "bounce".
[[nodiscard]] std::string_view name_of(queue::Operation operation);
/// Error: Malformed.
[[nodiscard]] Result<queue::Operation> operation_named(std::string_view name);

}  // namespace postern::admin
