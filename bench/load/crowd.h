#pragma once

#include "load/session.h"
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace postern::bench {

/// What a run came to. Times are of CLOCK_MONOTONIC, so that another process can go on from them.
struct Tally {
  std::size_t done = 0;  ///< messages accepted, logins made, or connections held
  std::size_t errors = 0;
  std::string first_error;
  std::vector<std::chrono::nanoseconds> latencies;  ///< of each message, from MAIL to its 250
  SteadyTime begun{};
  SteadyTime ended{};
};

/// All clients of one run, on one loop.
class Crowd {
 public:
  Crowd(net::Loop& loop, const LoadOptions& options, std::shared_ptr<net::TlsClient> tls)
      : loop_(loop), options_(options), tls_(std::move(tls)), body_(options.size) {}

  /// Runs the mode of the options to its end.
  net::Task<> run();
  [[nodiscard]] const Tally& tally() const { return tally_; }

 private:
  net::Task<> send_all();
  net::Task<bool> send_session(std::size_t& left);
  net::Task<> log_in_often();
  net::Task<> hold(std::size_t& left);
  net::Task<> trickle();
  net::Task<> hold_until_stdin_ends();
  void failed(const Error& error);
  void one_ended();

  net::Loop& loop_;
  const LoadOptions& options_;
  std::shared_ptr<net::TlsClient> tls_;
  const Body body_;
  Tally tally_;
  std::vector<std::unique_ptr<Session>> held_;
  std::size_t running_ = 0;
  std::size_t sent_ = 0;
  bool ending_ = false;
};

}  // namespace postern::bench
