#include "tlspolicy/reporter.h"

#include "base/log.h"

#include <algorithm>
#include <utility>

namespace postern::tlspolicy {
namespace {

/// How often the log is looked through for reports that are due.
constexpr std::chrono::seconds kLookEvery{30};
/// Of those whose day is over; their time comes one after the other.
constexpr std::size_t kMaxListed = 10'000;
constexpr std::chrono::minutes kFirstRetry{30};
constexpr std::chrono::hours kLongestRetry{6};
constexpr std::chrono::seconds kPostTime{60};

std::chrono::milliseconds retry_after(unsigned attempts) {
  return std::min<std::chrono::milliseconds>(kFirstRetry * (1U << std::min(attempts, 10U)), kLongestRetry);
}

}  // namespace

template <class T>
net::Task<Result<T>> Reporter::on_disk(net::Loop& loop, std::function<Result<T>()> job) {
  Result<Result<T>> done = co_await disk_.run(loop, std::move(job));
  Result<T> result = done ? *std::move(done) : Result<T>(done.error());
  if (!result) log::Event(log::Level::Error, "tls.session_log_failed").with("why", result.error().detail);
  co_return result;
}

bool Reporter::time_has_come(const DueReport& due) const {
  const auto spread = static_cast<std::size_t>(std::max<std::int64_t>(1, services_.spread.count()));
  const std::chrono::seconds wait{std::hash<std::string>{}(due.domain) % spread};
  return services_.clock.now() >= due.day + std::chrono::days{1} + wait;
}

net::Task<> Reporter::run_once(net::Loop& loop) {
  SessionLog& sessions = services_.log;
  const std::function<Result<>()> write = [&sessions] { return sessions.flush(); };
  const Result<> flushed = co_await on_disk<void>(loop, write);
  const TimePoint now = services_.clock.now();
  if (!flushed || now - looked_ < kLookEvery) co_return;
  looked_ = now;
  const std::function<Result<std::vector<DueReport>>()> ask = [&sessions, now] {
    return sessions.due(day_of(now), now, kMaxListed);
  };
  const Result<std::vector<DueReport>> due = co_await on_disk<std::vector<DueReport>>(loop, ask);
  if (!due || due->empty()) co_return;
  const std::optional<ReportAuthor> author = services_.author();
  if (!author && !std::exchange(told_, true)) {
    log::Event(log::Level::Warning, "tls.reports_not_sent")
        .with("why", "no domain with a DKIM key above our host name: unsigned reports are ignored");
  }
  std::size_t sent = 0;
  for (const DueReport& each : *due) {
    if (!author || sent == kBatch) co_return;
    if (!time_has_come(each)) continue;
    ++sent;
    co_await send(loop, each, *author);
  }
}

net::Task<> Reporter::send(net::Loop& loop, DueReport due, ReportAuthor author) {
  SessionLog& sessions = services_.log;
  const Result<std::vector<std::string>> txt = co_await services_.resolver.txt("_smtp._tls." + due.domain);
  Result<> sent;
  bool wanted = true;
  std::string addressees;
  if (txt) {
    ReportUris uris = parse_report_uris(*txt);
    wanted = !uris.empty();
    for (const std::vector<std::string>& list : {uris.mail, uris.https}) {
      for (const std::string& each : list) addressees += (addressees.empty() ? "" : ", ") + each;
    }
    const std::function<Result<std::vector<SessionCount>>()> read = [&sessions, due] {
      return sessions.sessions(due.day, due.domain);
    };
    Result<std::vector<SessionCount>> counted = co_await on_disk<std::vector<SessionCount>>(loop, read);
    if (!counted) co_return;
    TlsReport report{due.day, due.domain, *std::move(counted)};
    if (wanted) sent = co_await deliver(loop, std::move(report), std::move(author), std::move(uris));
  } else {
    sent = txt.error();
  }
  const bool over = sent || due.attempts + 1 >= kMaxAttempts;
  if (services_.metrics != nullptr && wanted)
    services_.metrics->report(sent   ? Metrics::Report::Sent
                              : over ? Metrics::Report::GivenUp
                                     : Metrics::Report::Failed);
  log::Event(sent ? log::Level::Info : log::Level::Warning, sent ? "tls.report_sent" : "tls.report_failed")
      .with("domain", due.domain)
      .with("wanted", wanted)
      .with("why", sent ? std::string() : sent.error().detail);
  const TimePoint again = services_.clock.now() + retry_after(due.attempts);
  PastReport past{due.day, due.domain, services_.clock.now(), sent.has_value(), {}};
  past.detail = sent ? addressees : sent.error().detail;
  const std::function<Result<>()> note = [&sessions, past, over, wanted, again] {
    if (!over) return sessions.failed(past.day, past.domain, again);
    return wanted ? sessions.done(past) : sessions.done(past.day, past.domain);
  };
  const Result<> noted = co_await on_disk<void>(loop, note);
  if (!noted) looked_ = again;  // the disk fails: do not send the same report every few seconds
}

/// To each address and URL; one that takes it is enough (RFC 8460 §3).
net::Task<Result<>> Reporter::deliver(net::Loop& loop, TlsReport report, ReportAuthor author,
                                      ReportUris uris) {
  POSTERN_CO_TRY(const std::string compressed, gzip(report_json(report, author)));
  Result<> outcome = fail(Errc::NotFound, "nobody to send it to");
  bool taken = false;
  for (const std::string& address : uris.mail) {
    std::string content = report_mail(report, author, address, compressed, services_.clock.now());
    Result<> queued = co_await services_.send_mail(loop, address, std::move(content));
    taken |= queued.has_value();
    if (!queued) outcome = queued.error();
  }
  for (const std::string& url : uris.https) {
    Result<> posted = co_await post(loop, url, compressed);
    taken |= posted.has_value();
    if (!posted) outcome = posted.error();
  }
  if (taken) co_return Result<>{};
  co_return outcome;
}

net::Task<Result<>> Reporter::post(net::Loop& loop, const std::string& url, const std::string& compressed) {
  net::HttpRequest request{.method = "POST",
                           .url = url,
                           .fields = {{"Content-Type", "application/tlsrpt+gzip"}},
                           .body = compressed};
  const SteadyTime deadline = std::chrono::steady_clock::now() + kPostTime;
  const Result<net::HttpResponse> response = co_await services_.post(loop, std::move(request), deadline);
  if (!response) co_return response.error();
  if (response->status / 100 == 2) co_return Result<>{};
  co_return fail(Errc::Unavailable, url + ": HTTP status " + std::to_string(response->status));
}

}  // namespace postern::tlspolicy
