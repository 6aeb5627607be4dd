#include "net/loop.h"

#include "net/loop_impl.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <csignal>

namespace postern::net {
namespace {

/// The outermost frame of a spawned task; it removes itself from the loop when it ends.
struct Root {
  struct promise_type {
    Loop::Impl* loop;
    promise_type(Loop::Impl& owner, const Task<>& /*task*/) : loop(&owner) {}
    Root get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() noexcept {
      loop->roots.erase(std::coroutine_handle<promise_type>::from_promise(*this).address());
      loop->root_count.fetch_sub(1);
    }
    [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
};

Root run_root(Loop::Impl& /*owner*/, Task<> task) { co_await std::move(task); }

}  // namespace

Loop::Loop() : impl_(std::make_unique<Impl>()) {
  std::signal(SIGPIPE,
              SIG_IGN);  // OpenSSL writes with write(2): a peer that is gone is an error, not a signal
}

void Loop::abandon_tasks() {
  while (!impl_->roots.empty()) {
    void* const address = *impl_->roots.begin();
    impl_->roots.erase(impl_->roots.begin());
    std::coroutine_handle<>::from_address(address).destroy();
  }
}

Loop::~Loop() {
  // Frames first: they hold streams, whose pending operations then never run.
  abandon_tasks();
  impl_->deadlines.clear();
}

void Loop::run() {
  impl_->io.restart();
  const auto guard = boost::asio::make_work_guard(impl_->io);
  impl_->io.run();
}

void Loop::stop() { impl_->io.stop(); }

void Loop::post(std::function<void()> fn) { boost::asio::post(impl_->io, std::move(fn)); }

void Loop::start_root(Task<> task) {
  const Root root = run_root(*impl_, std::move(task));
  impl_->roots.insert(root.handle.address());
  impl_->root_count.fetch_add(1);
  root.handle.resume();
}

void Loop::spawn(Task<> task) {
  // std::function wants a copyable callable; a Task is not.
  auto held = std::make_shared<Task<>>(std::move(task));
  post([this, held] { start_root(std::move(*held)); });
}

std::size_t Loop::task_count() const { return impl_->root_count.load(); }

void Loop::schedule_deadline(Expiring& waiter, SteadyTime when) {
  if (when == SteadyTime::max()) return;
  // Waiters that wake each other at once must not keep the round going forever and the sockets waiting.
  waiter.when_ = when > impl_->round ? when : impl_->round + SteadyTime::duration{1};
  waiter.scheduled_ = true;
  impl_->deadlines.emplace(waiter.when_, &waiter);
  if (waiter.when_ < impl_->armed_for) arm_timer();
}

void Loop::cancel_deadline(Expiring& waiter) {
  if (!waiter.scheduled_) return;
  waiter.scheduled_ = false;
  impl_->deadlines.erase({waiter.when_, &waiter});
}

void Loop::arm_timer() {
  impl_->armed_for = impl_->deadlines.begin()->first;
  impl_->timer.expires_at(impl_->armed_for);
  impl_->timer.async_wait([this](const boost::system::error_code& error) {
    if (!error) fire_due();
  });
}

void Loop::fire_due() {
  impl_->armed_for = SteadyTime::max();
  const SteadyTime now = std::chrono::steady_clock::now();
  impl_->round = now;
  while (!impl_->deadlines.empty() && impl_->deadlines.begin()->first <= now) {
    Expiring* const waiter = impl_->deadlines.begin()->second;
    impl_->deadlines.erase(impl_->deadlines.begin());
    waiter->scheduled_ = false;
    waiter->expired();
  }
  impl_->round = SteadyTime::min();
  if (!impl_->deadlines.empty() && impl_->deadlines.begin()->first < impl_->armed_for) arm_timer();
}

Task<> Loop::sleep_until(SteadyTime when) {
  struct Sleep final : Expiring {
    Loop& loop;
    SteadyTime when;
    std::coroutine_handle<> sleeper;
    Sleep(Loop& l, SteadyTime w) : loop(l), when(w) {}
    ~Sleep() { loop.cancel_deadline(*this); }
    void expired() override { sleeper.resume(); }
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      sleeper = handle;
      loop.schedule_deadline(*this, when);
    }
    void await_resume() const noexcept {}
  };
  Sleep sleep(*this, when);
  co_await sleep;
}

Task<> Loop::yield() { return sleep_until(SteadyTime::min()); }

}  // namespace postern::net
