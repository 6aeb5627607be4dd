#include "app/pace_report.h"

#include "mail/date.h"

#include <boost/json/object.hpp>

namespace postern::app {

boost::json::value pace_report(delivery::Dispatcher& dispatcher, const Clock& clock,
                               const std::string& budget) {
  const std::optional<delivery::Pace::State> pace = dispatcher.pace(budget);
  if (!pace) return nullptr;
  const auto shown = [now = clock.now(), steady = clock.steady_now()](SteadyTime when) {
    return mail::format_date(now + std::chrono::ceil<std::chrono::milliseconds>(when - steady));
  };
  boost::json::object out{{"connections", pace->connections},
                          {"limit", pace->limit},
                          {"next_message", shown(pace->next_message)}};
  if (pace->pause) {
    out["paused_until"] = shown(pace->pause->until);
    out["why"] = pace->pause->why.outcome.text;
  }
  return out;
}

}  // namespace postern::app
