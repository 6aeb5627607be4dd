#include "net/event.h"

#include <algorithm>
#include <coroutine>
#include <utility>

namespace postern::net {

/// A notified or expired waiter is resumed through its deadline entry, so that it never runs inside notify().
struct Event::Waiter final : Expiring {
  Event* event;  // null when the event died first
  Loop& loop;
  SteadyTime deadline;
  std::coroutine_handle<> handle{};
  bool notified = false;

  Waiter(Event& e, SteadyTime d) : event(&e), loop(e.loop_), deadline(d) {}
  ~Waiter() {
    loop.cancel_deadline(*this);
    leave();
  }
  void leave() {
    if (event != nullptr) std::erase(event->waiters_, this);
  }
  void expired() override {
    leave();
    handle.resume();
  }
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    handle = h;
    event->waiters_.push_back(this);
    loop.schedule_deadline(*this, deadline);
  }
  [[nodiscard]] bool await_resume() const noexcept { return notified; }
};

Event::~Event() {
  for (Waiter* waiter : waiters_) waiter->event = nullptr;
}

Task<bool> Event::wait_until(SteadyTime deadline) {
  Waiter waiter(*this, deadline);
  const bool notified = co_await waiter;
  co_return notified;
}

void Event::notify() {
  for (Waiter* waiter : std::exchange(waiters_, {})) {
    waiter->notified = true;
    waiter->event = nullptr;  // it is not in the list any more, and may outlive the event
    loop_.cancel_deadline(*waiter);
    loop_.schedule_deadline(*waiter, SteadyTime::min());
  }
}

}  // namespace postern::net
