// postern_deep: a queue with very many recipients. `fill` makes one, through the front door; `next` opens it as a server does when
// it starts, asks again and again for the next message that is due, and prints one JSON line.
//
// They are two runs, because what filling took of memory must not be counted.
#include "queue/sqlite_queue.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <random>

namespace postern::bench {
namespace {

using Steady = std::chrono::steady_clock;

struct Options {
  std::string directory;
  int recipients = 1'000'000;
  int domains = 50'000;
  int accounts = 40;
  int per_message = 10;
  int turns = 1000;
};

std::string path_of(const Options& options) { return options.directory + "/queue.db"; }

std::size_t resident_bytes() {
  std::size_t all = 0;
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> all >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Messages to recipients all over the place; no two accounts write to the same domains.
class Filler {
 public:
  Filler(const Options& options, queue::Queue& queue, net::Loop& loop, const Clock& clock)
      : options_(options), queue_(queue), loop_(loop), clock_(clock) {}

  net::Task<> run() {
    while (next_ < options_.recipients && !failed_) {
      queue::NewMessage message = make();
      const std::unique_ptr<queue::Queue::Draft> draft = queue_.begin(loop_, message.id);
      const Result<> appended = co_await draft->append("Subject: deep\r\n\r\nwater\r\n");
      const Result<queue::Receipt> receipt = co_await draft->commit(std::move(message));
      failed_ = failed_ || !appended || !receipt;
    }
    if (--running_ == 0) loop_.stop();
  }
  [[nodiscard]] bool fill() {
    constexpr int kSenders = 200;  // they share syncs
    running_ = kSenders;
    for (int i = 0; i < kSenders; ++i) loop_.spawn(run());
    loop_.run();
    return !failed_;
  }

 private:
  queue::NewMessage make() {
    std::uniform_int_distribution<int> any_domain(0, options_.domains - 1);
    const int number = next_ / options_.per_message;
    queue::NewMessage message;
    message.id = QueueId{make_id(clock_.now().time_since_epoch().count())};
    message.account = AccountId{1 + number % options_.accounts};
    message.account_name = fmt::format("sender{}@example.org", message.account.value);
    message.envelope.reverse_path = message.account_name;
    for (int i = 0; i < options_.per_message && next_ < options_.recipients; ++i, ++next_) {
      const std::string domain = fmt::format("domain{}.example", any_domain(random_));
      message.envelope.recipients.push_back({fmt::format("reader{}@{}", next_, domain), domain, {}, ""});
    }
    message.accepted_at = clock_.now();
    return message;
  }

  const Options& options_;
  queue::Queue& queue_;
  net::Loop& loop_;
  const Clock& clock_;
  std::mt19937 random_{1};
  int next_ = 0;
  int running_ = 0;
  bool failed_ = false;
};

int fill(const Options& options) {
  const SystemClock clock;
  net::Loop loop;
  const auto queue = queue::SqliteQueue::open(path_of(options), {}, clock);
  if (!queue || !Filler(options, **queue, loop, clock).fill()) {
    std::cerr << "the queue cannot be filled\n";
    return 1;
  }
  return 0;
}

net::Task<> take_turns(queue::Queue& queue, net::Loop& loop, const Clock& clock, int turns,
                       std::vector<double>& microseconds) {
  for (int i = 0; i < turns; ++i) {
    const Steady::time_point asked = Steady::now();
    const Result<std::vector<queue::Lease>> leases = co_await queue.lease_due(loop, clock.now(), 1);
    if (!leases || leases->size() != 1) break;
    microseconds.push_back(std::chrono::duration<double, std::micro>(Steady::now() - asked).count());
    queue::RecipientOutcome outcome{.kind = queue::RecipientOutcome::Kind::Delivered};
    std::vector<queue::RecipientOutcome> outcomes;
    for (const std::uint32_t index : leases->front().index) {
      outcome.index = index;
      outcomes.push_back(outcome);
    }
    const Result<> settled = co_await queue.settle(loop, leases->front(), std::move(outcomes), "");
    if (!settled) break;
  }
  loop.stop();
}

int next(const Options& options) {
  const SystemClock clock;
  net::Loop loop;
  const Steady::time_point begun = Steady::now();
  const auto queue = queue::SqliteQueue::open(path_of(options), {}, clock);
  const double open_ms = std::chrono::duration<double, std::milli>(Steady::now() - begun).count();
  if (!queue) {
    std::cerr << queue.error().detail << '\n';
    return 1;
  }
  std::vector<double> took;
  loop.spawn(take_turns(**queue, loop, clock, options.turns, took));
  loop.run();
  if (took.size() != static_cast<std::size_t>(options.turns)) {
    std::cerr << "only " << took.size() << " turns found something due\n";
    return 1;
  }
  std::ranges::sort(took);
  fmt::print("{{\"open_ms\":{:.0f},\"next_p50_us\":{:.1f},\"next_p99_us\":{:.1f},\"rss_mb\":{:.1f}}}\n",
             open_ms, took[took.size() / 2], took[took.size() * 99 / 100],
             static_cast<double>(resident_bytes()) / 1e6);
  return 0;
}

}  // namespace
}  // namespace postern::bench

int main(int argc, char** argv) {
  postern::bench::Options options;
  CLI::App app("A queue with very many recipients: filled, opened again, and asked for what is due");
  app.require_subcommand(1);
  CLI::App* filling = app.add_subcommand("fill", "Make one");
  filling->add_option("directory", options.directory)->required();
  filling->add_option("--recipients", options.recipients)->check(CLI::PositiveNumber);
  filling->add_option("--domains", options.domains)->check(CLI::PositiveNumber);
  filling->add_option("--accounts", options.accounts)->check(CLI::PositiveNumber);
  CLI::App* asking = app.add_subcommand("next", "Open it and ask; prints one JSON line");
  asking->add_option("directory", options.directory)->required();
  asking->add_option("--turns", options.turns)->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  return filling->parsed() ? postern::bench::fill(options) : postern::bench::next(options);
}
