#include "load/crowd.h"

#include "net/readiness.h"

#include <unistd.h>

#include <cstdio>

namespace postern::bench {
namespace {

constexpr std::size_t kOpeningAtOnce = 32;
constexpr auto kPoll = std::chrono::milliseconds{1};

}  // namespace

net::Task<> Crowd::run() {
  tally_.begun = std::chrono::steady_clock::now();
  std::size_t to_hold = options_.connections;
  const bool holding = options_.mode == "idle";
  running_ = holding ? std::min(kOpeningAtOnce, to_hold) : options_.connections;
  for (std::size_t i = running_; i > 0; --i) {
    if (options_.mode == "send") loop_.spawn(send_all());
    if (options_.mode == "login") loop_.spawn(log_in_often());
    if (options_.mode == "slow") loop_.spawn(trickle());
    if (holding) loop_.spawn(hold(to_hold));
  }
  if (options_.mode == "slow" || holding) {
    while (tally_.done + tally_.errors < options_.connections)
      co_await loop_.sleep_until(std::chrono::steady_clock::now() + kPoll);
    co_await hold_until_stdin_ends();
  }
  while (running_ > 0) co_await loop_.sleep_until(std::chrono::steady_clock::now() + kPoll);
  held_.clear();
  loop_.stop();
}

net::Task<> Crowd::send_all() {
  std::size_t left = options_.messages;
  while (left > 0) {
    const bool in_order = co_await send_session(left);
    if (!in_order) break;
  }
  one_ended();
}

/// One connection and the messages it takes. False: it failed.
net::Task<bool> Crowd::send_session(std::size_t& left) {
  Session session(loop_, options_, tls_);
  const Result<> opened = co_await session.open();
  if (!opened) failed(opened.error());
  if (!opened) co_return false;
  std::size_t room = options_.per_session == 0 ? left : std::min(left, options_.per_session);
  for (; room > 0; --room, --left) {
    const SteadyTime begun = std::chrono::steady_clock::now();
    const Result<> sent = co_await session.send(body_, ++sent_);
    if (!sent) failed(sent.error());
    if (!sent) co_return false;
    tally_.latencies.push_back(std::chrono::steady_clock::now() - begun);
    ++tally_.done;
    tally_.ended = std::chrono::steady_clock::now();
  }
  co_await session.quit();
  co_return true;
}

net::Task<> Crowd::log_in_often() {
  for (std::size_t i = 0; i < options_.messages; ++i) {
    Session session(loop_, options_, tls_);
    const Result<> opened = co_await session.open();
    if (!opened) failed(opened.error());
    if (!opened) break;
    co_await session.quit();
    ++tally_.done;
  }
  one_ended();
}

net::Task<> Crowd::hold(std::size_t& left) {
  while (left > 0) {
    --left;
    auto session = std::make_unique<Session>(loop_, options_, tls_);
    const Result<> opened = co_await session->open();
    if (opened) {
      held_.push_back(std::move(session));
      ++tally_.done;
    } else {
      failed(opened.error());
    }
  }
  one_ended();
}

/// A client that sends one octet of its message a second.
net::Task<> Crowd::trickle() {
  Session session(loop_, options_, tls_);
  Result<> fine = co_await session.open();
  if (fine) fine = co_await session.begin_data();
  if (fine) fine = co_await session.write("Subject: ");
  if (fine) ++tally_.done;
  while (fine && !ending_) {
    fine = co_await session.write("x");
    co_await loop_.sleep_until(std::chrono::steady_clock::now() + std::chrono::seconds{1});
  }
  if (!fine) failed(fine.error());
  one_ended();
}

/// Whoever started us measures meanwhile.
net::Task<> Crowd::hold_until_stdin_ends() {
  tally_.ended = std::chrono::steady_clock::now();
  std::printf("holding %zu\n", tally_.done);
  std::fflush(stdout);
  const Result<> ended = co_await net::wait_readable(loop_, STDIN_FILENO, SteadyTime::max());
  ending_ = true;
  if (!ended) failed(ended.error());
}

void Crowd::failed(const Error& error) {
  if (tally_.errors++ == 0) tally_.first_error = error.detail;
}

void Crowd::one_ended() {
  if (options_.mode != "slow") tally_.ended = std::chrono::steady_clock::now();
  --running_;
}

}  // namespace postern::bench
