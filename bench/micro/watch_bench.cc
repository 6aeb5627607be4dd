#include "guard/watch/watch_book.h"

#include <benchmark/benchmark.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace postern::bench {
namespace {

/// A book with `accounts` accounts on disk, none of them in memory.
struct Book {
  explicit Book(int accounts) {
    std::string pattern = (std::filesystem::current_path() / "bench-watch-XXXXXX").string();
    directory = ::mkdtemp(pattern.data());
    open();
    for (int i = 0; i < accounts; ++i) {
      judge(i, i);
      if (i % 10'000 == 0) (void)book->flush();
    }
    open();
  }
  ~Book() {
    book.reset();
    std::filesystem::remove_all(directory);
  }
  void open() {
    book.reset();
    book = *guard::WatchBook::open(directory + "/watch.db", clock, {}, {});
  }
  guard::Judgement judge(int account, int to) {
    const std::vector<smtp::Recipient> recipients{
        {"user" + std::to_string(to % 50) + "@example.net", "example.net", {}, ""}};
    return book->judge({"account" + std::to_string(account) + "@example.org", guard::SenderClass::Person,
                        client, recipients});
  }
  std::string directory;
  SystemClock clock;
  net::IpAddress client = *net::IpAddress::parse("192.0.2.7");
  std::unique_ptr<guard::WatchBook> book;
};

/// A message of one of `range(0)` accounts that are in memory: what the watch adds to each message.
void judge_known_account(benchmark::State& state) {
  const int accounts = static_cast<int>(state.range(0));
  Book book(accounts);
  for (int i = 0; i < accounts; ++i) book.judge(i, i);
  int n = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(book.judge(n % accounts, n));
    ++n;
  }
}
BENCHMARK(judge_known_account)->Arg(1)->Arg(1000)->Arg(20'000);

/// The first message of an account after minutes: its state is read from the file.
void judge_cold_account(benchmark::State& state) {
  const int accounts = 20'000;
  Book book(accounts);
  int n = 0;
  for (auto _ : state) {
    if (n == accounts) {
      state.PauseTiming();
      book.open();
      n = 0;
      state.ResumeTiming();
    }
    benchmark::DoNotOptimize(book.judge(n, n));
    ++n;
  }
}
BENCHMARK(judge_cold_account);

double resident_bytes() {
  std::ifstream statm("/proc/self/statm");  // proc(5): size resident ..., in pages
  double size = 0;
  double resident = 0;
  statm >> size >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

/// A million accounts that send once, one after the other: what they cost on disk and in memory.
void a_million_accounts(benchmark::State& state) {
  constexpr int kAccounts = 1'000'000;
  for (auto _ : state) {
    const double before = resident_bytes();
    Book book(0);
    for (int i = 0; i < kAccounts; ++i) {
      book.judge(i, i);
      if (i % 10'000 == 0) (void)book.book->flush();
    }
    state.counters["in_memory"] = static_cast<double>(book.book->in_memory());
    state.counters["resident_MB"] = (resident_bytes() - before) / 1e6;
    book.book.reset();
    state.counters["disk_per_account"] =
        static_cast<double>(std::filesystem::file_size(book.directory + "/watch.db")) / kAccounts;
  }
}
BENCHMARK(a_million_accounts)->Iterations(1)->Unit(benchmark::kMillisecond);

/// A message to 100 recipients.
void judge_large_message(benchmark::State& state) {
  Book book(1);
  std::vector<smtp::Recipient> recipients;
  for (int i = 0; i < 100; ++i) {
    const std::string domain = "site" + std::to_string(i) + ".example";
    recipients.push_back({"user@" + domain, domain, {}, ""});
  }
  for (auto _ : state)
    benchmark::DoNotOptimize(
        book.book->judge({"account0@example.org", guard::SenderClass::Bulk, book.client, recipients}));
}
BENCHMARK(judge_large_message);

}  // namespace
}  // namespace postern::bench
