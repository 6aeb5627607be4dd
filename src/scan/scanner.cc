#include "scan/scanner.h"

#include "base/log.h"

#include "scan/edits.h"
#include "scan/rspamd.h"
#include <algorithm>

namespace postern::scan {
namespace {

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

constexpr double kMarked = 0.5;  // suspicion of what a filter without scores marks

/// As spamassassin's filters do it.
bool marks_spam(const std::vector<Edit>& edits) {
  return std::ranges::any_of(edits, [](const Edit& edit) {
    const bool mark = mail::same_name(edit.name, "X-Spam-Flag") || mail::same_name(edit.name, "X-Spam");
    return mark && mail::same_name(one_printable_line(edit.value), "yes");
  });
}

/// A turn taken, given back however the question ends.
class Turn {
 public:
  explicit Turn(Turns& turns) : turns_(turns) {}
  ~Turn() { turns_.give_back(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Turns& turns_;
};

}  // namespace

Result<> Options::check(std::string_view key) const {
  if (key == "milters") {
    for (const std::string& text : milters) POSTERN_CHECK(MilterAddress::parse(text));
  }
  if (key == "rspamd" && !rspamd.empty()) {
    const Result<net::HttpUrl> url = net::HttpUrl::parse(rspamd);
    if (!url) return url.error();
    if (url->target != "/")
      return fail(Errc::Malformed, rspamd + ": only scheme, host and port; the path is ours");
  }
  return {};
}

Result<std::unique_ptr<Scanner>> Scanner::create(const Options& options, std::string spool_directory,
                                                 Metrics& metrics, net::AddressLookup& lookup) {
  for (const char* key : {"milters", "rspamd"}) {
    if (const Result<> good = options.check(key); !good)
      return fail(Errc::Malformed, std::string("scan.") + key + ": " + good.error().detail);
  }
  std::unique_ptr<Scanner> scanner(new Scanner(options, std::move(spool_directory), metrics));
  for (const std::string& text : options.milters) {
    POSTERN_TRY(MilterAddress address, MilterAddress::parse(text));
    scanner->add("milter " + text, std::move(address), options.milter_timeout, options.milter_failure);
  }
  if (!options.rspamd.empty()) {
    net::HttpClient::Options http;
    http.allow_clear = true;  // rspamd's own default, on loopback
    POSTERN_TRY(scanner->http_, net::HttpClient::create(std::move(http), lookup));
    scanner->add("rspamd", std::nullopt, options.rspamd_timeout, options.rspamd_failure);
  }
  return scanner;
}

void Scanner::add(std::string name, std::optional<MilterAddress> milter, std::chrono::seconds timeout,
                  OnFailure failure) {
  auto check = std::make_unique<Check>(options_.max_concurrent);
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

net::Task<Result<Verdict>> Scanner::ask(net::Loop& loop, Check& check, const Message& message,
                                        SteadyTime deadline) {
  const bool mine = co_await check.turns.take(loop, deadline);
  if (!mine) co_return fail(Errc::Exhausted, "busy with other messages until the time was over");
  const Turn turn(check.turns);
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
    if (!said->suspicion && marks_spam(said->edits)) said->suspicion = kMarked;
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
    if (one.suspicion) all.suspicion = std::max(one.suspicion, all.suspicion);
    for (Edit& edit : one.edits) all.edits.push_back(std::move(edit));
    if (one.decision == Verdict::Decision::Accept) continue;
    all.decision = one.decision;
    all.text = std::move(one.text);
    break;
  }
  co_return all;
}

}  // namespace postern::scan
