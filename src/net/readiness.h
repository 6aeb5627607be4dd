#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "net/task.h"

namespace postern::net {

class Loop;

/// Waits until `fd`, which stays the caller's, is readable. For libraries that bring their own descriptor
/// (libunbound). Errors: Timeout, Closed.
Task<Result<>> wait_readable(Loop& loop, int fd, SteadyTime deadline);

}  // namespace postern::net
