#pragma once

#include "probe/endpoint_check.h"
#include "probe/failure.h"
#include "probe/observation.h"

#include <string>
#include <vector>

namespace postern::probe {

enum class Severity { Note, Warning, Fault };

/// One thing that was found, in plain words.
struct Finding {
  Severity severity = Severity::Fault;
  Failure failure = Failure::None;
  Step step = Step::Tcp;
  std::string what;   ///< "port 587 is filtered: no answer in 7 s"
  std::string cause;  ///< the likely one
  std::string next;   ///< what to do
};

/// What to think of one address and port. fault() is the one that stopped or spoils it.
struct EndpointVerdict {
  std::vector<Finding> findings;
  [[nodiscard]] const Finding* fault() const;
  [[nodiscard]] Failure failure() const;
};

struct JudgeOptions {
  TimePoint now{};
  bool ports_were_asked_for = false;  ///< each must work; else 587 or 465 is enough, 25 and 2525 are extra
};

/// Pure. `others` are the endpoints of the same host, for comparison: is only one port silent, or all?
[[nodiscard]] EndpointVerdict judge_endpoint(const EndpointSeen& seen,
                                             const std::vector<EndpointSeen>& others,
                                             const JudgeOptions& options);

struct Verdict {
  Failure failure = Failure::None;
  std::string summary;  ///< one or two sentences
  std::string cause;
  std::string next;
  std::vector<Finding> host_findings;                   ///< DNS, domain
  std::vector<std::vector<EndpointVerdict>> endpoints;  ///< as in CheckSeen
};

/// Pure: everything together, the sentence to print and the exit code.
[[nodiscard]] Verdict judge(const CheckSeen& seen, const JudgeOptions& options);

}  // namespace postern::probe
