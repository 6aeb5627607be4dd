#pragma once

#include "base/result.h"

#include <string>
#include <vector>

namespace postern::probe {

using Command = std::vector<std::string>;

struct CommandOutcome {
  int exit_code = 0;
  std::string output;  ///< at most 16 MiB
  std::string errors;
};

/// Runs a program without a shell, in the C locale, and waits for it: at most 30 s, then it is killed.
/// Errors: NotFound (no such program), Timeout, Unavailable.
[[nodiscard]] Result<CommandOutcome> run_command(const Command& command);
/// True when the program is in PATH or one of the system's sbin directories.
[[nodiscard]] bool has_program(const std::string& name);
/// As one would type it.
[[nodiscard]] std::string shell_text(const Command& command);

}  // namespace postern::probe
