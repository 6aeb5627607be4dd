// postern_sink: a next hop that takes everything at once and keeps nothing but a count.
//
// Beside SMTP it knows XWAIT <n>: the reply comes when n messages have arrived since the start, and tells when the n-th
// did ("250 <count> <nanoseconds of CLOCK_MONOTONIC>"). So the end of a run is known to the microsecond without polling.
// XWHEN tells when mail for each recipient called watched... arrived: "250-<address> <nanoseconds>" and "250 end".
// With a second argument each message takes so many milliseconds after its end.
#include "net/event.h"
#include "net/listener.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace postern::bench {
namespace {

constexpr std::size_t kMaxLine = 4096;
constexpr std::string_view kEnd = "\r\n.\r\n";
constexpr std::string_view kGreeting =
    "250-sink.example.net\r\n250-PIPELINING\r\n250-SIZE 0\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 "
    "SMTPUTF8\r\n";

SteadyTime deadline() { return std::chrono::steady_clock::now() + std::chrono::minutes{10}; }

/// What has arrived, on all connections.
struct Arrivals {
  Arrivals(net::Loop& loop, std::chrono::milliseconds takes) : each(takes), changed(loop) {}
  void add(const std::string& recipient) {
    ++count;
    last = std::chrono::steady_clock::now();
    if (recipient.starts_with("watched")) watched.emplace_back(recipient, last);
    if (count >= awaited) changed.notify();
  }
  const std::chrono::milliseconds each;
  std::vector<std::pair<std::string, SteadyTime>> watched;
  std::size_t count = 0;
  std::size_t awaited = SIZE_MAX;
  SteadyTime last{};
  net::Event changed;
};

class Sink {
 public:
  Sink(net::Stream stream, Arrivals& arrivals) : stream_(std::move(stream)), arrivals_(arrivals) {}

  net::Task<> serve() {
    stream_.queue("220 sink.example.net ESMTP\r\n");
    for (;;) {
      const Result<std::string_view> line = co_await stream_.read_line(kMaxLine, deadline());
      if (!line) co_return;
      const std::string_view verb = line->substr(0, 4);
      if (verb == "DATA") {
        stream_.queue("354 go on\r\n");
        const bool whole = co_await take_content();
        if (!whole) co_return;
        if (arrivals_.each.count() > 0)
          co_await stream_.loop().sleep_until(std::chrono::steady_clock::now() + arrivals_.each);
        stream_.queue("250 2.0.0 taken\r\n");
      } else if (verb == "RCPT") {
        const std::size_t open = line->find('<');
        recipient_ = open == std::string_view::npos ? "" : line->substr(open + 1, line->find('>') - open - 1);
        stream_.queue("250 2.1.5 ok\r\n");
      } else if (verb == "XWHE") {
        for (const auto& [address, when] : arrivals_.watched)
          stream_.queue(fmt::format("250-{} {}\r\n", address, when.time_since_epoch().count()));
        stream_.queue("250 end\r\n");
      } else if (verb == "XWAI") {
        const std::string wanted(line->substr(std::min<std::size_t>(line->size(), 6)));
        co_await wait_for(wanted);
      } else if (verb == "QUIT") {
        stream_.queue("221 2.0.0 bye\r\n");
        break;
      } else {
        stream_.queue(verb == "EHLO" ? kGreeting : "250 2.0.0 ok\r\n");
      }
    }
    co_await stream_.shutdown(deadline());
  }

 private:
  /// Reads up to the final dot and counts. False: the client is gone.
  net::Task<bool> take_content() {
    std::string tail = "\r\n";  // the end may follow the DATA line at once
    for (;;) {
      const Result<std::string_view> got = co_await stream_.read_some(deadline());
      if (!got) co_return false;
      // The end may be cut anywhere: look at the seam, then at the piece.
      std::string seam = tail + std::string(got->substr(0, kEnd.size() - 1));
      std::size_t used = std::string_view::npos;
      if (const std::size_t at = seam.find(kEnd); at != std::string::npos) {
        used = at + kEnd.size() - tail.size();
      } else if (const std::size_t in_piece = got->find(kEnd); in_piece != std::string_view::npos) {
        used = in_piece + kEnd.size();
      }
      if (used != std::string_view::npos) {
        stream_.consume(used);
        arrivals_.add(recipient_);
        co_return true;
      }
      tail += got->substr(got->size() - std::min(got->size(), kEnd.size() - 1));
      tail.erase(0, tail.size() - std::min(tail.size(), kEnd.size() - 1));
      stream_.consume(got->size());
    }
  }

  net::Task<> wait_for(std::string_view wanted) {
    std::size_t count = 0;
    std::from_chars(wanted.data(), wanted.data() + wanted.size(), count);
    arrivals_.awaited = count;
    const SteadyTime until = deadline();
    while (arrivals_.count < count && std::chrono::steady_clock::now() < until) {
      [[maybe_unused]] const bool woken = co_await arrivals_.changed.wait_until(until);
    }
    arrivals_.awaited = SIZE_MAX;
    stream_.queue(fmt::format("250 {} {}\r\n", arrivals_.count, arrivals_.last.time_since_epoch().count()));
  }

  net::Stream stream_;
  Arrivals& arrivals_;
  std::string recipient_;  // the last one
};

net::Task<> serve(net::Stream stream, Arrivals& arrivals) {
  const auto sink = std::make_unique<Sink>(std::move(stream), arrivals);
  co_await sink->serve();
}

}  // namespace
}  // namespace postern::bench

int main(int argc, char** argv) {
  using namespace postern;
  const auto endpoint = net::Endpoint::parse(argc >= 2 ? argv[1] : "");
  if (!endpoint || argc > 3) {
    std::cerr << "usage: postern_sink ADDRESS:PORT [MILLISECONDS]\n";
    return 2;
  }
  net::Loop loop;
  bench::Arrivals arrivals(loop, std::chrono::milliseconds{argc == 3 ? std::atoi(argv[2]) : 0});
  const auto listener = net::Listener::open(loop, *endpoint);
  if (!listener) {
    std::cerr << listener.error().detail << '\n';
    return 1;
  }
  std::cout << (*listener)->local().port << std::endl;
  (*listener)->serve([&](net::Stream stream) { loop.spawn(bench::serve(std::move(stream), arrivals)); });
  loop.run();
}
