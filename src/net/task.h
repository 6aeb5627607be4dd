#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace postern::net {

template <class T = void>
class Task;

namespace detail {

struct PromiseBase {
  std::coroutine_handle<> continuation = std::noop_coroutine();
  /// The awaiting coroutine is still inside await_suspend(): it goes on by itself when this one has finished.
  bool started_inline = false;

  /// Hands control back to whoever awaits the finished coroutine.
  struct Finish {
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> finished) const noexcept {
      const PromiseBase& promise = finished.promise();
      return promise.started_inline ? std::noop_coroutine() : promise.continuation;
    }
    void await_resume() const noexcept {}
  };

  [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
  [[nodiscard]] Finish final_suspend() const noexcept { return {}; }
  // Above net/ and store/ nothing throws (decision 0002); what does is out of memory or a bug.
  [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& u) {
    value.emplace(std::forward<U>(u));
  }
  T take() { return *std::move(value); }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const noexcept {}
};

}  // namespace detail

/// A coroutine that starts when it is awaited and is awaited once.
///
/// Owns     its frame; destroying a Task that waits destroys everything it had on its stack.
/// Threads  runs on the thread that resumes it; by construction that is its Loop's thread.
/// Errors   by value in T; an exception that escapes ends the process.
/// See      docs/decisions/0003-our-own-task-over-asio-readiness.md
template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  auto operator co_await() && noexcept {
    struct Awaiter {
      Handle handle;
      [[nodiscard]] bool await_ready() const noexcept { return false; }
      /// Runs the task at once; suspends the caller only when the task really waits. A loop over tasks that
      /// never wait needs no stack, also where the compiler makes no tail calls (sanitizers).
      bool await_suspend(std::coroutine_handle<> caller) const noexcept {
        promise_type& promise = handle.promise();
        promise.started_inline = true;
        handle.resume();
        if (handle.done()) return false;
        promise.started_inline = false;
        promise.continuation = caller;
        return true;
      }
      T await_resume() const { return handle.promise().take(); }
    };
    return Awaiter{handle_};
  }

 private:
  friend promise_type;
  explicit Task(Handle handle) noexcept : handle_(handle) {}
  Handle handle_;
};

namespace detail {
template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}
}  // namespace detail

}  // namespace postern::net
