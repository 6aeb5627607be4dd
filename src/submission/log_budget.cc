#include "submission/log_budget.h"

#include "base/log.h"

namespace postern::submission {

bool LogBudget::take(const net::IpAddress& client) {
  const net::IpAddress network = client.network(32, 64);
  const SteadyTime now = clock_.steady_now();
  const std::lock_guard lock(mutex_);
  if (uses_.size() >= kMaxNetworks && uses_.count(network) == 0) uses_.clear();
  Use& use = uses_.try_emplace(network, Use{now}).first->second;
  if (now - use.since >= std::chrono::minutes{1}) {
    if (use.left_out > 0) {
      log::Event(log::Level::Warning, "submission.log_lines_left_out")
          .with("client", network.text())
          .with("lines", use.left_out);
    }
    use = Use{now};
  }
  if (use.lines < kLinesPerMinute) {
    ++use.lines;
    return true;
  }
  ++use.left_out;
  return false;
}

}  // namespace postern::submission
