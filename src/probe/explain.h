#pragma once

#include "probe/observation.h"

#include <string>

namespace postern::probe {

/// The same checks with nc, bash, curl, openssl, nmap and swaks, and what to set in clients and libraries for the
/// ports that were seen to work.
[[nodiscard]] std::string explain(const CheckSeen& seen);

}  // namespace postern::probe
