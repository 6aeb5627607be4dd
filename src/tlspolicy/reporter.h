#pragma once

#include "base/clock.h"
#include "dns/resolver.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/offload.h"
#include "net/task.h"
#include "tlspolicy/metrics.h"
#include "tlspolicy/report.h"
#include "tlspolicy/report_uris.h"
#include "tlspolicy/session_log.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace postern::tlspolicy {

/// Sends the reports of past days to the domains that ask for them (RFC 8460), by mail or HTTPS.
///
/// Threads  one loop's.
/// Durable  a report is in the queue, or taken by a web server, before its sessions are forgotten: a crash between
///          repeats it with the same id.
/// Limits   kBatch reports at a time. A report that nobody takes is tried for about a day (§5.5).
class Reporter {
 public:
  static constexpr std::size_t kBatch = 100;
  static constexpr unsigned kMaxAttempts = 6;

  /// What it works with; the references and what the functions refer to are borrowed.
  struct Services {
    SessionLog& log;
    const Clock& clock;
    dns::Resolver& resolver;  ///< of the loop that run_once() is called on
    /// Nothing: we have no domain to sign with, and unsigned reports are ignored (§3).
    std::function<std::optional<ReportAuthor>()> author;
    /// Into the queue, durably.
    std::function<net::Task<Result<>>(net::Loop& loop, std::string recipient, std::string content)> send_mail;
    std::function<net::Task<Result<net::HttpResponse>>(net::Loop& loop, net::HttpRequest request,
                                                       SteadyTime deadline)>
        post;
    /// Reports of a day leave at some time within so much after its end, so that a receiver is not flooded (§4.1).
    std::chrono::seconds spread;
    Metrics* metrics = nullptr;
  };
  explicit Reporter(Services services) : services_(std::move(services)), disk_(1, kMaxWaiting) {}

  /// Writes what was counted, and sends what is due. Call it every few seconds.
  net::Task<> run_once(net::Loop& loop);

 private:
  static constexpr std::size_t kMaxWaiting = 1000;
  [[nodiscard]] bool time_has_come(const DueReport& due) const;
  net::Task<> send(net::Loop& loop, DueReport due, ReportAuthor author);
  net::Task<Result<>> deliver(net::Loop& loop, TlsReport report, ReportAuthor author, ReportUris uris);
  net::Task<Result<>> post(net::Loop& loop, const std::string& url, const std::string& compressed);
  /// Runs `job` on the thread that may wait for the disk.
  template <class T>
  net::Task<Result<T>> on_disk(net::Loop& loop, std::function<Result<T>()> job);

  Services services_;
  TimePoint looked_{};
  bool told_ = false;  // that there is no author
  net::Offload disk_;
};

}  // namespace postern::tlspolicy
