#include "app/signals.h"

#include <csignal>
#include <ctime>

namespace postern::app {
namespace {
sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  return set;
}
}  // namespace

Signals::Signals() {
  const sigset_t set = handled_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a peer that is gone is an error of the write, not the end of the process
}

Request Signals::wait(std::chrono::milliseconds at_most) {
  const sigset_t set = handled_signals();
  const timespec timeout{.tv_sec = at_most.count() / 1000, .tv_nsec = at_most.count() % 1000 * 1'000'000};
  switch (sigtimedwait(&set, nullptr, &timeout)) {
    case SIGTERM:
    case SIGINT:
      return Request::Stop;
    case SIGHUP:
      return Request::Reload;
    default:
      return Request::None;
  }
}

}  // namespace postern::app
