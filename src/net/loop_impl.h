#pragma once

#include "net/loop.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <coroutine>
#include <set>
#include <unordered_set>
#include <utility>
#include <vector>

namespace postern::net {

/// The inside of a Loop, for the .cc files of net/ only: this header brings Asio in.
struct Loop::Impl {
  static constexpr std::size_t kScratchSize = std::size_t{16} * 1024 + 1024;

  boost::asio::io_context io{1};
  boost::asio::steady_timer timer{io};
  /// Ordered by time; one Asio timer serves them all and is set only when an earlier one comes.
  std::set<std::pair<SteadyTime, Expiring*>> deadlines;
  SteadyTime armed_for = SteadyTime::max();
  /// While due waiters are woken: what they schedule comes after this, that is, in the next round.
  SteadyTime round = SteadyTime::min();
  std::unordered_set<void*> roots;
  std::atomic<std::size_t> root_count{0};
  /// Where every stream of this loop reads into, so that a waiting connection owns no buffer.
  std::vector<char> scratch = std::vector<char>(kScratchSize);
};

}  // namespace postern::net
