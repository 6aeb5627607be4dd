#pragma once

#include "base/result.h"
#include "net/loop_impl.h"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <coroutine>

namespace postern::net {

/// Readiness of one descriptor with a deadline, for the .cc files of net/ only. At most one wait at a time.
class SocketWait {
 public:
  using Kind = boost::asio::posix::stream_descriptor::wait_type;
  static constexpr Kind kRead = Kind::wait_read;
  static constexpr Kind kWrite = Kind::wait_write;

  SocketWait(Loop& loop, int fd) : loop_(loop), descriptor_(loop.impl().io, fd) {}
  ~SocketWait() = default;
  SocketWait(const SocketWait&) = delete;
  SocketWait& operator=(const SocketWait&) = delete;

  [[nodiscard]] Loop& loop() const { return loop_; }
  [[nodiscard]] int fd() { return descriptor_.native_handle(); }
  /// Gives the descriptor back, open, to whoever lent it.
  void release() { descriptor_.release(); }

  void cancel() {
    cancelled_ = true;
    boost::system::error_code ignored;
    descriptor_.cancel(ignored);
  }
  /// The wait that is pending, if any, ends with Timeout.
  void expire() {
    if (pending_ != nullptr) pending_->expired();
  }
  [[nodiscard]] bool cancelled() const { return cancelled_; }

  struct Awaiter final : Expiring {
    SocketWait& wait;
    Loop& loop;  // reached without `wait`: an ending loop may destroy the stream before the coroutine that
                 // waits
    Kind kind;
    SteadyTime deadline;
    std::coroutine_handle<> handle{};
    bool timed_out = false;
    bool failed = false;

    Awaiter(SocketWait& w, Kind k, SteadyTime d) : wait(w), loop(w.loop_), kind(k), deadline(d) {}
    ~Awaiter() { loop.cancel_deadline(*this); }
    void expired() override {
      timed_out = true;
      boost::system::error_code ignored;
      wait.descriptor_.cancel(ignored);
    }
    [[nodiscard]] bool await_ready() const noexcept { return wait.cancelled_; }
    void await_suspend(std::coroutine_handle<> h) {
      handle = h;
      wait.pending_ = this;
      loop.schedule_deadline(*this, deadline);
      wait.descriptor_.async_wait(kind, [this](const boost::system::error_code& error) {
        failed = static_cast<bool>(error);
        wait.pending_ = nullptr;
        loop.cancel_deadline(*this);
        handle.resume();
      });
    }
    [[nodiscard]] Result<> await_resume() const {
      if (wait.cancelled_) return fail(Errc::Closed, "cancelled");
      if (timed_out) return fail(Errc::Timeout, "no answer in time");
      if (failed) return fail(Errc::Closed, "the socket failed");
      return {};
    }
  };
  [[nodiscard]] Awaiter ready(Kind kind, SteadyTime deadline) { return {*this, kind, deadline}; }

 private:
  Loop& loop_;
  boost::asio::posix::stream_descriptor descriptor_;
  bool cancelled_ = false;
  Awaiter* pending_ = nullptr;
};

}  // namespace postern::net
