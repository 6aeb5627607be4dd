#include "scan/scanner.h"

#include "base/log.h"

#include "scan/edits.h"
#include "scan/rspamd.h"
#include <algorithm>

namespace postern::scan {
namespace {

/// How often a message that waits for its turn looks again. Scanners take milliseconds at least, and waiting means
/// that they are all busy: looking costs nothing beside that, and needs no queue that threads share.
constexpr std::chrono::milliseconds kLookAgain{10};

Asked counted(Verdict::Decision decision) {
  switch (decision) {
    case Verdict::Decision::Accept:
      return Asked::Accepted;
    case Verdict::Decision::Reject:
      return Asked::Rejected;
    case Verdict::Decision::Defer:
      return Asked::Deferred;
  }
  return Asked::Deferred;
}

const char* shown(Verdict::Decision decision) {
  switch (decision) {
    case Verdict::Decision::Accept:
      return "accept";
    case Verdict::Decision::Reject:
      return "reject";
    case Verdict::Decision::Defer:
      return "defer";
  }
  return "?";
}

/// A turn taken, given back however the question ends.
class Turn {
 public:
  explicit Turn(std::atomic<std::uint32_t>& busy) : busy_(busy) {}
  ~Turn() { busy_.fetch_sub(1); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  std::atomic<std::uint32_t>& busy_;
};

}  // namespace

Result<std::unique_ptr<Scanner>> Scanner::create(const Options& options, std::string spool_directory,
                                                 metrics::Registry& registry, net::AddressLookup& lookup) {
  std::unique_ptr<Scanner> scanner(new Scanner(options, std::move(spool_directory), registry));
  for (const std::string& text : options.milters) {
    Result<MilterAddress> address = MilterAddress::parse(text);
    if (!address) return fail(Errc::Malformed, "scan.milters: " + address.error().detail);
    scanner->add("milter " + text, *std::move(address), options.milter_timeout, options.milter_failure);
  }
  if (!options.rspamd.empty()) {
    const Result<net::HttpUrl> url = net::HttpUrl::parse(options.rspamd);
    if (!url) return fail(Errc::Malformed, "scan.rspamd: " + url.error().detail);
    if (url->target != "/")
      return fail(Errc::Malformed,
                  "scan.rspamd: " + options.rspamd + ": only scheme, host and port; the path is ours");
    net::HttpClient::Options http;
    http.allow_clear = true;  // rspamd's own default, on loopback
    POSTERN_TRY(scanner->http_, net::HttpClient::create(std::move(http), lookup));
    scanner->add("rspamd", std::nullopt, options.rspamd_timeout, options.rspamd_failure);
  }
  return scanner;
}

void Scanner::add(std::string name, std::optional<MilterAddress> milter, std::chrono::seconds timeout,
                  OnFailure failure) {
  auto check = std::make_unique<Check>();
  check->name = std::move(name);
  check->milter = std::move(milter);
  check->timeout = timeout;
  check->on_failure = failure;
  checks_.push_back(std::move(check));
}

std::unique_ptr<Spool> Scanner::spool() const {
  return std::make_unique<Spool>(spool_directory_,
                                 static_cast<std::size_t>(options_.memory_per_message.count));
}

net::Task<bool> Scanner::take_turn(net::Loop& loop, Check& check, SteadyTime deadline) {
  for (;;) {
    if (check.busy.fetch_add(1) < options_.max_concurrent) co_return true;
    check.busy.fetch_sub(1);
    const SteadyTime now = std::chrono::steady_clock::now();
    if (now >= deadline) co_return false;
    co_await loop.sleep_until(std::min(deadline, now + kLookAgain));
  }
}

net::Task<Result<Verdict>> Scanner::ask(net::Loop& loop, Check& check, const Message& message,
                                        SteadyTime deadline) {
  const bool mine = co_await take_turn(loop, check, deadline);
  if (!mine) co_return fail(Errc::Exhausted, "busy with other messages until the time was over");
  const Turn turn(check.busy);
  if (check.milter) {
    Result<Verdict> said = co_await ask_milter(loop, *check.milter, message, deadline);
    co_return said;
  }
  std::string url = options_.rspamd;
  url += url.ends_with('/') ? "checkv2" : "/checkv2";
  Result<Verdict> said = co_await ask_rspamd(loop, *http_, std::move(url), message, deadline);
  co_return said;
}

Verdict Scanner::settled(const Check& check, const Message& message, Result<Verdict> said,
                         std::chrono::nanoseconds time) {
  if (said) {
    metrics_.asked(counted(said->decision), time);
    if (said->summary.empty()) {
      said->summary = shown(said->decision);
      if (!said->text.empty()) said->summary += " (" + said->text + ')';
    }
    said->summary = check.name + ": " + said->summary;
    return *std::move(said);
  }
  const bool open = check.on_failure == OnFailure::Accept;
  metrics_.asked(open ? Asked::FailedOpen : Asked::FailedClosed, time);
  const std::string why = one_printable_line(said.error().detail);
  log::Event(log::Level::Warning, "scan.failed")
      .with("queue_id", message.queue_id)
      .with("scanner", check.name)
      .with("why", why)
      .with("effect", open ? "the message goes on without it" : "the client is told to try again later");
  Verdict verdict;
  verdict.decision = open ? Verdict::Decision::Accept : Verdict::Decision::Defer;
  verdict.text = open ? "" : "the content scanner does not answer";
  verdict.summary = check.name + ": failed, " + why;
  return verdict;
}

net::Task<Verdict> Scanner::scan(net::Loop& loop, const Message& message) {
  Verdict all;
  for (const std::unique_ptr<Check>& check : checks_) {
    const SteadyTime start = std::chrono::steady_clock::now();
    Result<Verdict> said = co_await ask(loop, *check, message, start + check->timeout);
    const auto time =
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start);
    Verdict one = settled(*check, message, std::move(said), time);
    all.summary += (all.summary.empty() ? "" : "; ") + one.summary;
    if (one.score) all.score = std::max(one.score, all.score);
    for (Edit& edit : one.edits) all.edits.push_back(std::move(edit));
    if (one.decision == Verdict::Decision::Accept) continue;
    all.decision = one.decision;
    all.text = std::move(one.text);
    break;
  }
  co_return all;
}

}  // namespace postern::scan
