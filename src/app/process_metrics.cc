#include "app/process_metrics.h"

#include "base/clock.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

namespace postern::app {
namespace {

double seconds_of(TimePoint when) { return std::chrono::duration<double>(when.time_since_epoch()).count(); }

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
