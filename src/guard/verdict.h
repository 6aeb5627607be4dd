#pragma once

#include "base/clock.h"

#include <optional>
#include <string>

namespace postern::guard {

/// What the guard thinks of a request. The reason names the limit, the use, and when it frees.
struct Verdict {
  bool accepted = true;
  std::string reason;                        ///< also of what is accepted but waits
  bool permanent = false;                    ///< refused for good, not for now
  std::optional<TimePoint> not_before = {};  ///< accepted, to be sent then
  [[nodiscard]] static Verdict accept() { return {}; }
  [[nodiscard]] static Verdict defer(std::string why) { return {false, std::move(why)}; }
  [[nodiscard]] static Verdict reject(std::string why) { return {false, std::move(why), true}; }
};

}  // namespace postern::guard
