#include "app/process_metrics.h"

#include "base/clock.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

namespace postern::app {
namespace {

double seconds_of(TimePoint when) { return std::chrono::duration<double>(when.time_since_epoch()).count(); }

double age(const std::optional<TimePoint>& since, const Clock& clock) {
  if (!since) return 0.0;
  return std::max(0.0, std::chrono::duration<double>(clock.now() - *since).count());
}

double cpu_seconds() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

double resident_bytes() {
  std::ifstream statm("/proc/self/statm");  // proc(5): size resident ..., in pages
  double size = 0;
  double resident = 0;
  statm >> size >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double open_descriptors() {
  std::error_code error;
  double count = 0;
  for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end;
       at.increment(error))
    ++count;
  return count;
}

double most_descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<double>(limit.rlim_cur);
}

}  // namespace

const char* version() { return POSTERN_VERSION; }

QueueMetrics::QueueMetrics(metrics::Registry& registry, queue::SqliteQueue& queue, const Clock& clock)
    : waiting_(
          registry, "postern_queue_waiting_recipients",
          "Recipients that wait for an attempt or are in one, with those of frozen accounts. A rise: mail "
          "comes in faster than it gets away; see postern queue ls --by site.",
          [&queue] { return static_cast<double>(queue.depth().waiting); }),
      held_(registry, "postern_queue_held_recipients",
            "Recipients that wait until an operator releases them.",
            [&queue] { return static_cast<double>(queue.depth().held); }),
      oldest_waiting_(
          registry, "postern_queue_oldest_waiting_seconds",
          "How long ago the oldest message that waits was accepted; 0: none does. As of a look some seconds "
          "ago.",
          [&queue, &clock] { return age(queue.depth().oldest_waiting, clock); }),
      oldest_held_(registry, "postern_queue_oldest_held_seconds",
                   "How long ago the oldest message that an operator must release was accepted; 0: there is "
                   "none.",
                   [&queue, &clock] { return age(queue.depth().oldest_held, clock); }),
      accounts_(registry, "postern_queue_frozen_accounts",
                "Accounts whose mail waits until it is released. Not 0: look why, their senders wait.",
                [&queue] { return static_cast<double>(queue.depth().held_accounts); }),
      set_aside_(
          registry, "postern_queue_damaged_messages",
          "Messages met since the start whose record is damaged: kept and not sent. Not 0: the log names "
          "them (queue.record_set_aside), and the disk needs a look.",
          [&queue] { return static_cast<double>(queue.depth().set_aside); }) {}

ProcessMetrics::ProcessMetrics(metrics::Registry& registry, std::shared_ptr<net::TlsServer> tls,
                               std::function<bool()> store_works)
    : build_(registry, "postern_build_info", "The version that runs.",
             std::string("version=\"") + POSTERN_VERSION + "\",compiler=\"" + POSTERN_COMPILER + "\""),
      started_(registry, "process_start_time_seconds", "When the server started, in seconds since 1970.",
               [at = seconds_of(SystemClock().now())] { return at; }),
      cpu_(registry, "process_cpu_seconds_total", "User and system time used.", cpu_seconds),
      memory_(registry, "process_resident_memory_bytes", "Memory in use.", resident_bytes),
      descriptors_(registry, "process_open_fds", "Open descriptors.", open_descriptors),
      most_descriptors_(registry, "process_max_fds",
                        "How many may be open. When open ones come near, raise LimitNOFILE=.",
                        most_descriptors),
      certificate_(
          registry, "postern_tls_certificate_expiry_seconds",
          "When the certificate that expires first does, in seconds since 1970; 0: none is configured. Alert "
          "two weeks before.",
          [tls = std::move(tls)] { return tls ? seconds_of(tls->expires_at()) : 0.0; }),
      store_(registry, "postern_queue_writable",
             "1: mail can be taken. 0: the queue cannot be written, clients get 451; page someone.",
             [works = std::move(store_works)] { return works() ? 1.0 : 0.0; }) {}

}  // namespace postern::app
