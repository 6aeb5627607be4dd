#pragma once

#include "app/parts.h"

namespace postern::app {

/// Opens every listener of the configuration, one socket per loop for clients, or takes those that the service
/// manager opened for us; and the control socket. Errors: with the address that is not to be had.
[[nodiscard]] Result<> open_listeners(Parts& parts);

/// data_dir/listening.json: the process and its ports, for scripts that configured port 0.
void write_listening(const Parts& parts);

}  // namespace postern::app
