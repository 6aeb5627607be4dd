#pragma once

#include "net/loop.h"

#include <coroutine>
#include <memory>
#include <optional>
#include <utility>

namespace postern::net {

/// One value, made by any thread, awaited by one coroutine on `loop`:
///   Completion<int> done(loop);
///   pool.start(done.resolver());
///   const int value = co_await done;
///
/// Threads  the resolver may be called from any thread, once. The loop must outlive every resolver: stop the
/// threads
///          that resolve before the loop is destroyed.
template <class T>
class [[nodiscard]] Completion {
  struct State {
    Loop& loop;
    std::optional<T> value{};
    std::coroutine_handle<> waiter{};
    bool abandoned = false;
  };

 public:
  class Resolver {
   public:
    void operator()(T value) const {
      // The value waits in the posted function until the loop's thread takes it.
      auto carried = std::make_shared<std::pair<std::shared_ptr<State>, T>>(state_, std::move(value));
      state_->loop.post([carried] {
        State& state = *carried->first;
        state.value.emplace(std::move(carried->second));
        if (state.waiter && !state.abandoned) std::exchange(state.waiter, nullptr).resume();
      });
    }

   private:
    friend Completion;
    explicit Resolver(std::shared_ptr<State> state) : state_(std::move(state)) {}
    std::shared_ptr<State> state_;
  };

  explicit Completion(Loop& loop) : state_(std::make_shared<State>(State{.loop = loop})) {}
  ~Completion() {
    if (state_) state_->abandoned = true;
  }
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;

  [[nodiscard]] Resolver resolver() const { return Resolver(state_); }

  [[nodiscard]] bool await_ready() const noexcept { return state_->value.has_value(); }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { state_->waiter = waiter; }
  T await_resume() { return *std::move(state_->value); }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace postern::net
