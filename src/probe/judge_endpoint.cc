#include "probe/endpoint_judge.h"

namespace postern::probe {

const Finding* EndpointVerdict::fault() const {
  // An open relay is the first thing to say, whatever else is wrong: it does harm to others every minute.
  for (const Finding& finding : findings) {
    if (finding.failure == Failure::OpenRelay) return &finding;
  }
  for (const Finding& finding : findings) {
    if (finding.severity == Severity::Fault) return &finding;
  }
  return nullptr;
}

Failure EndpointVerdict::failure() const {
  const Finding* found = fault();
  return found == nullptr ? Failure::None : found->failure;
}

EndpointVerdict judge_endpoint(const EndpointSeen& seen, const std::vector<EndpointSeen>& others,
                               const JudgeOptions& options) {
  return EndpointJudge(seen, others, options).run();
}

}  // namespace postern::probe
