#pragma once

#include <string>

namespace postern::guard {

/// What the guard thinks of a request. The reason names the limit, the use, and when it frees.
struct Verdict {
  bool accepted = true;
  std::string reason;
  [[nodiscard]] static Verdict accept() { return {}; }
  [[nodiscard]] static Verdict defer(std::string why) { return {false, std::move(why)}; }
};

}  // namespace postern::guard
