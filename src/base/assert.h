#pragma once

namespace postern {
/// Prints `file:line: expression` to standard error and aborts.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}  // namespace postern

/// Always on, and only for our own invariants: nothing from the network, the disk or the config reaches it.
#define POSTERN_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::postern::assertion_failed(#condition, __FILE__, __LINE__))
