#pragma once

#include "app/setup/answers.h"

#include <functional>
#include <string>
#include <vector>

namespace postern::app {

/// One thing that setup does: told first, so that --dry-run can tell all of them.
struct SetupStep {
  std::string what;  ///< "write /etc/postern/postern.toml"
  std::function<Result<>()> act;
};

struct SetupOptions {
  SetupPaths paths;
  bool overwrite = false;  ///< of a configuration that is there; a copy of it is kept
  bool service = false;    ///< install a systemd service and its user; needs root
};

/// The steps that the answers ask for, in order. Running them again changes nothing that is there already: keys,
/// accounts and domains are kept. `dkim_record` receives the domain's record once its key exists; it must outlive the
/// steps.
[[nodiscard]] std::vector<SetupStep> setup_steps(const Answers& answers, const SetupOptions& options,
                                                 std::string& dkim_record, std::string& selector);

}  // namespace postern::app
