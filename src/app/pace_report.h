#pragma once

#include "base/clock.h"
#include "delivery/dispatcher.h"

#include <boost/json/value.hpp>

#include <string>

namespace postern::app {

/// How fast `budget` is spoken to now: {"connections":2,"limit":5,"next_message":"...","paused_until":"...","why":"..."};
/// null: nothing is known of it.
[[nodiscard]] boost::json::value pace_report(delivery::Dispatcher& dispatcher, const Clock& clock,
                                             const std::string& budget);

}  // namespace postern::app
