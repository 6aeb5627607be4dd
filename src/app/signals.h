#pragma once

#include <chrono>

namespace postern::app {

/// What the outside asked of the running server.
enum class Request {
  None,    ///< the wait ended without a signal
  Stop,    ///< SIGTERM or SIGINT: finish what is in flight, leave the rest queued
  Reload,  ///< SIGHUP: read the configuration and the certificates again
};

/// Signals as return values of a wait on the main thread, so that no handler ever runs.
/// Threads  construct it before the first thread is started: the block is inherited. SIGPIPE is ignored.
class Signals {
 public:
  Signals();
  [[nodiscard]] Request wait(std::chrono::milliseconds at_most);
};

}  // namespace postern::app
