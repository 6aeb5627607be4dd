#pragma once

#include "dns/resolver.h"
#include "net/loop.h"
#include "net/task.h"

#include <chrono>
#include <string>
#include <vector>

namespace postern::dns {

/// Resolver::txt() for what mail must not wait for long: the look-up goes on without us after `patience`, so that its
/// answer may be there next time. Errors: Unavailable, Timeout. The resolver outlives the loop's tasks.
[[nodiscard]] net::Task<Result<std::vector<std::string>>> txt_soon(net::Loop& loop, Resolver& resolver,
                                                                   std::string name,
                                                                   std::chrono::milliseconds patience);

}  // namespace postern::dns
