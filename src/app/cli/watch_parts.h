#pragma once

#include "app/cli/common.h"

namespace postern::app::cli {

// The parts of add_watch_commands().
void add_watch_verbs(CLI::App& watch, Context& context);   ///< ls, show, release, forgive, complain, purge
void add_watch_export(CLI::App& watch, Context& context);  ///< export

}  // namespace postern::app::cli
