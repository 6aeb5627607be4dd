#include "guard/limits.h"

#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <vector>

namespace postern::bench {
namespace {

/// Every kind of limit at once, none of which is reached.
guard::LimitConfig wide_limits() {
  guard::LimitConfig config;
  const std::vector<std::string> lines{"messages 100000000/1h", "messages 1000000000/1d",
                                       "recipients 1000000000/1d", "first_time 1000000000/1d"};
  const guard::LimitSet set = guard::parse_overrides(lines)->over({});
  config.classes.fill(set);
  config.ip = config.domain = config.all = set;
  return config;
}

/// What limits add to a message to one recipient, of one of `range(0)` accounts in turn.
void count_and_take(benchmark::State& state) {
  std::string directory = (std::filesystem::current_path() / "bench-limits-XXXXXX").string();
  ::mkdtemp(directory.data());
  {
    SystemClock clock;
    const auto limits = *guard::Limits::open(directory + "/limits.db", wide_limits(), clock);
    const auto accounts = static_cast<std::size_t>(state.range(0));
    std::vector<guard::Sender> senders(accounts);
    for (std::size_t i = 0; i < accounts; ++i) {
      senders[i].account = AccountId{static_cast<std::int64_t>(i + 1)};
      senders[i].address = "account" + std::to_string(i) + "@example.org";
      senders[i].client = *net::IpAddress::parse("192.0.2.1");
    }
    std::size_t n = 0;
    for (auto _ : state) {
      const std::vector<std::string> to{"user" + std::to_string(n % 500) + "@example.net"};
      const guard::Sender& sender = senders[n++ % accounts];
      guard::Tally tally;
      limits->count(sender, to.front(), tally);
      benchmark::DoNotOptimize(limits->take(sender, tally, to).verdict.accepted);
    }
  }
  std::filesystem::remove_all(directory);
}
BENCHMARK(count_and_take)->Arg(1)->Arg(1000)->Arg(15'000);

}  // namespace
}  // namespace postern::bench
