#include "queue/fail_points.h"

#include <signal.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <string_view>

namespace postern::queue {
namespace {

struct Chosen {
  std::string name;
  std::atomic<int> countdown{1};
  Chosen() {
    const char* text = std::getenv("POSTERN_FAIL_POINT");
    if (text == nullptr) return;
    const std::string_view view(text);
    const std::size_t colon = view.find(':');
    name = view.substr(0, colon);
    if (colon != std::string_view::npos) countdown = std::atoi(text + colon + 1);
  }
};

}  // namespace

void fail_point(const char* name) {
  static Chosen chosen;
  if (chosen.name.empty() || chosen.name != name) return;
  if (chosen.countdown.fetch_sub(1) == 1) ::raise(SIGKILL);
}

}  // namespace postern::queue
