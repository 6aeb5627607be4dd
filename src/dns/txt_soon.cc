#include "dns/txt_soon.h"

#include "net/event.h"

#include <memory>
#include <utility>

namespace postern::dns {
namespace {

/// What the one who waits and the look-up share.
struct Pending {
  explicit Pending(net::Loop& loop) : arrived(loop) {}
  net::Event arrived;
  bool done = false;
  Result<std::vector<std::string>> answer = fail(Errc::Timeout, "no answer from DNS in time");
};

net::Task<> look_up(std::shared_ptr<Pending> pending, Resolver& resolver, std::string name) {
  Result<std::vector<std::string>> answer = co_await resolver.txt(std::move(name));
  pending->answer = std::move(answer);
  pending->done = true;
  pending->arrived.notify();
}

}  // namespace

net::Task<Result<std::vector<std::string>>> txt_soon(net::Loop& loop, Resolver& resolver, std::string name,
                                                     std::chrono::milliseconds patience) {
  const auto pending = std::make_shared<Pending>(loop);
  loop.spawn(look_up(pending, resolver, std::move(name)));
  const SteadyTime until = std::chrono::steady_clock::now() + patience;
  while (!pending->done && std::chrono::steady_clock::now() < until) {
    [[maybe_unused]] const bool woken = co_await pending->arrived.wait_until(until);
  }
  co_return pending->answer;
}

}  // namespace postern::dns
