#include "queue/sqlite_queue.h"

#include <benchmark/benchmark.h>
#include <stdlib.h>

#include "micro/sample_mail.h"
#include <filesystem>

namespace postern::bench {
namespace {

/// A queue in a directory of its own, beside the working directory: /tmp may be memory, where a sync costs nothing.
struct Store {
  Store() {
    std::string pattern = (std::filesystem::current_path() / "bench-queue-XXXXXX").string();
    directory = ::mkdtemp(pattern.data());
    queue = *queue::SqliteQueue::open(directory + "/queue.db", {}, clock);
  }
  ~Store() {
    queue.reset();
    std::filesystem::remove_all(directory);
  }

  net::Task<> put(const std::string& content, int& left) {
    queue::NewMessage message;
    message.id = QueueId{make_id(clock.now().time_since_epoch().count())};
    message.account = AccountId{7};
    message.account_name = "alice@example.org";
    message.envelope.reverse_path = "alice@example.org";
    message.envelope.recipients.push_back({"bob@example.net", "example.net", {}, ""});
    message.signing_domain = "example.org";
    message.accepted_at = clock.now();
    const std::unique_ptr<queue::Queue::Draft> draft = queue->begin(loop, message.id);
    const Result<> appended = co_await draft->append(content);
    const Result<queue::Receipt> receipt = co_await draft->commit(std::move(message));
    if (!appended || !receipt) failed = true;
    if (--left == 0) loop.stop();
  }

  SystemClock clock;
  net::Loop loop;
  std::string directory;
  std::unique_ptr<queue::SqliteQueue> queue;
  bool failed = false;
};

/// Durable puts with `range(0)` senders at once: they share syncs.
void put_messages(benchmark::State& state) {
  Store store;
  const std::string content = sample_header() + sample_body(4096);
  for (auto _ : state) {
    int left = static_cast<int>(state.range(0));
    for (int i = left; i > 0; --i) store.loop.spawn(store.put(content, left));
    store.loop.run();
  }
  if (store.failed) state.SkipWithError("a put failed");
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(put_messages)->Arg(1)->Arg(20)->MeasureProcessCPUTime()->UseRealTime();

}  // namespace
}  // namespace postern::bench
