#include "delivery/lane.h"

#include "base/log.h"
#include "mail/message_id.h"

#include <algorithm>
#include <map>
#include <random>
#include <utility>

namespace postern::delivery {
namespace {

constexpr std::size_t kMaxSites = 10'000;
/// Messages up to this size are held in memory while they are delivered; the queue's pieces have the same
/// size.
constexpr std::uint64_t kSmall = 64 * 1024;
/// A report that could not be queued is tried again after this.
constexpr std::chrono::minutes kReportAgain{5};
constexpr std::chrono::seconds kSettleAgain{1};

bool has_eight_bit(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

/// A message's recipients by destination, no more in one job than a server must take (RFC 5321 §4.5.3.1.8).
std::vector<std::pair<std::string, Job>> jobs_of(const std::shared_ptr<ActiveMessage>& message,
                                                 const Options& options) {
  const std::vector<smtp::Recipient>& recipients = message->lease.envelope.recipients;
  std::map<std::string_view, std::vector<std::uint32_t>> by_destination;
  for (std::uint32_t i = 0; i < recipients.size(); ++i) {
    // A relay and the sandbox take everything; they are one destination without a name.
    const std::string_view destination =
        options.mode == Mode::Direct ? recipients[i].domain : std::string_view();
    by_destination[destination].push_back(i);
  }
  std::vector<std::pair<std::string, Job>> jobs;
  for (const auto& [destination, all] : by_destination) {
    for (std::size_t begin = 0; begin < all.size(); begin += options.max_recipients) {
      const std::size_t end = std::min<std::size_t>(all.size(), begin + options.max_recipients);
      std::vector<std::uint32_t> some(all.begin() + static_cast<std::ptrdiff_t>(begin),
                                      all.begin() + static_cast<std::ptrdiff_t>(end));
      jobs.emplace_back(destination, Job{message, std::move(some)});
    }
  }
  return jobs;
}

}  // namespace

Lane::Lane(net::Loop& loop, dns::Resolver& resolver, const Settings& settings, Services services,
           std::function<void()> on_concluded)
    : settings_(settings),
      services_(std::move(services)),
      on_concluded_(std::move(on_concluded)),
      rng_(std::random_device{}()),
      dead_hosts_(settings.options.dead_host_memory),
      context_{.loop = loop,
               .resolver = resolver,
               .options = settings.options,
               .identity = settings.identity,
               .clock = services.clock,
               .metrics = services.metrics,
               .dead_hosts = dead_hosts_,
               .rng = rng_,
               .manners = settings.manners,
               .smarthost = settings.smarthost ? &*settings.smarthost : nullptr,
               .sessions = sessions_,
               .max_connections = settings.connections_per_lane,
               .open_content = [this](ActiveMessage& message) { return open_content(message); },
               .withdrawn = [this](QueueId id) { return services_.queue.withdrawn(id); },
               .finished =
                   [this](const Job& job, std::vector<std::optional<Attempt>> attempts) {
                     finished(job, std::move(attempts));
                   }} {
  if (settings.options.mode == Mode::Sandbox) sandbox_.emplace(settings.sandbox_directory);
}

Lane::~Lane() = default;

// ---- from lease to jobs

void Lane::deliver(queue::Lease lease, std::optional<std::string> content) {
  auto message = std::make_shared<ActiveMessage>();
  message->signature = lease.signature;
  message->content = std::move(content);
  message->attempts.resize(lease.envelope.recipients.size());
  message->lease = std::move(lease);
  if (message->content) {
    start(message);
  } else {
    context_.loop.spawn(prepare(std::move(message)));
  }
}

net::Task<> Lane::prepare(std::shared_ptr<ActiveMessage> message) {
  Result<> ready = co_await load_and_sign(*message);
  if (ready) {
    start(message);
    co_return;
  }
  const Attempt attempt{local_outcome(Decision::Retry, "4.3.0", ready.error().detail), nullptr};
  message->attempts.assign(message->attempts.size(), attempt);
  co_await conclude(std::move(message));
}

net::Task<Result<>> Lane::load_and_sign(ActiveMessage& message) {
  const queue::Lease& lease = message.lease;
  if (lease.size <= kSmall) {
    POSTERN_CO_TRY(message.content, co_await services_.queue.read(context_.loop, lease.id, 0));
    co_return Result<>{};  // signed when its turn comes
  }
  if (!wants_signature(message)) co_return Result<>{};
  MessageDigest digest;
  for (std::uint32_t number = 0;; ++number) {
    POSTERN_CO_TRY(const std::string piece, co_await services_.queue.read(context_.loop, lease.id, number));
    if (piece.empty()) break;
    digest.update(piece);
  }
  const std::string body = digest.finish();
  co_return sign(message, digest.header(), body);
}

void Lane::start(const std::shared_ptr<ActiveMessage>& message) {
  std::vector<std::pair<std::string, Job>> jobs = jobs_of(message, settings_.options);
  if (jobs.empty()) return context_.loop.spawn(conclude(message));
  message->open_jobs = jobs.size();  // before the first is given away: it may come back at once
  for (auto& [destination, job] : jobs) {
    if (sandbox_) {
      context_.loop.spawn(capture(std::move(job)));
    } else {
      site(destination).add(std::move(job));
    }
  }
}

Site& Lane::site(const std::string& destination) {
  if (const auto known = sites_.find(destination); known != sites_.end()) return *known->second;
  if (sites_.size() >= kMaxSites)
    std::erase_if(sites_, [](const auto& entry) { return entry.second->idle(); });
  auto made = std::make_unique<Site>(context_, destination);
  if (stopping_) made->stop();
  return *sites_.emplace(destination, std::move(made)).first->second;
}

// ---- content

bool Lane::wants_signature(const ActiveMessage& message) const {
  return settings_.options.sign == Signing::Domain && message.signature.empty() &&
         !message.lease.signing_domain.empty();
}

Result<> Lane::sign(ActiveMessage& message, std::string_view header, const std::string& body) {
  POSTERN_TRY(message.signature,
              services_.signer.sign(message.lease.signing_domain, services_.clock.now(), header, body));
  message.signature_is_new = true;
  return {};
}

net::Task<Result<std::unique_ptr<Content>>> Lane::open_content(ActiveMessage& message) {
  const queue::Lease& lease = message.lease;
  std::unique_ptr<Content> content;
  if (!message.content) {
    content = std::make_unique<QueueContent>(services_.queue, context_.loop, lease.id, lease.size,
                                             message.signature);
    co_return content;
  }
  if (wants_signature(message)) {
    MessageDigest digest;
    digest.update(*message.content);
    const std::string body = digest.finish();
    POSTERN_CO_CHECK(sign(message, digest.header(), body));
  }
  content = std::make_unique<MemoryContent>(message.signature, *message.content);
  co_return content;
}

net::Task<> Lane::capture(Job job) {
  Result<> captured = co_await capture_content(job);
  const Outcome outcome = captured ? local_outcome(Decision::Done, "2.0.0", "kept in the sandbox")
                                   : local_outcome(Decision::Retry, "4.3.0", captured.error().detail);
  finished(job, std::vector<std::optional<Attempt>>(job.recipients.size(), Attempt{outcome, nullptr}));
}

net::Task<Result<>> Lane::capture_content(const Job& job) {
  const queue::Lease& lease = job.message->lease;
  POSTERN_CO_TRY(const std::unique_ptr<Content> content, co_await open_content(*job.message));
  std::string whole;
  while (true) {
    POSTERN_CO_TRY(const std::string_view piece, co_await content->next());
    if (piece.empty()) break;
    whole.append(piece);
  }
  SandboxEntry entry{.id = lease.id,
                     .sender = lease.envelope.reverse_path,
                     .recipients = {},
                     .captured_at = services_.clock.now(),
                     .size = whole.size()};
  for (const std::uint32_t r : job.recipients)
    entry.recipients.push_back(lease.envelope.recipients[r].address);
  co_return sandbox_->capture(entry, whole);
}

// ---- from attempts to the queue

void Lane::finished(const Job& job, std::vector<std::optional<Attempt>> attempts) {
  ActiveMessage& message = *job.message;
  for (std::size_t i = 0; i < job.recipients.size(); ++i) {
    message.attempts[job.recipients[i]] = std::move(attempts[i]);
  }
  if (--message.open_jobs == 0) context_.loop.spawn(conclude(job.message));
}

net::Task<> Lane::conclude(std::shared_ptr<ActiveMessage> message) {
  const TimePoint now = services_.clock.now();
  std::vector<Conclusion> conclusions = conclude_attempts(*message, now, settings_.options, rng_);
  std::optional<Report> due = report_due(*message, conclusions, now, settings_.identity.hostname);
  if (due) {
    // Durable before the failure is settled, so that no crash can lose it.
    Result<> reported = co_await report(*message, *std::move(due));
    if (!reported) postpone_failures(conclusions, now + kReportAgain, reported.error().detail);
  }
  record(*message, conclusions);
  co_await settle(*message, conclusions);
  on_concluded_();
}

net::Task<Result<>> Lane::report(const ActiveMessage& message, Report report) {
  const queue::Lease& lease = message.lease;
  std::string beginning;
  if (!message.content) {
    POSTERN_CO_TRY(beginning, co_await services_.queue.read(context_.loop, lease.id, 0));
    report.what = Return::Headers;  // a large message comes back as its header (RFC 3461 §4.3 allows it)
  }
  const QueueId unique{make_id(report.now.time_since_epoch().count())};
  report.message_id = mail::make_message_id(unique, settings_.identity.hostname);
  std::string content = build_failure_report(report, message.content ? *message.content : beginning);
  const bool smtputf8 = has_eight_bit(report.sender);
  std::string recipient = report.sender;
  Result<> queued =
      co_await services_.enqueue_report(context_.loop, std::move(recipient), std::move(content), smtputf8);
  if (!queued) co_return queued;
  services_.metrics.report_sent();
  services_.history.record({.time = report.now,
                            .id = lease.id,
                            .kind = "reported",
                            .account = lease.account_name,
                            .sender = "",
                            .recipient = report.sender,
                            .detail = "failure report " + report.message_id});
  co_return Result<>{};
}

net::Task<> Lane::settle(const ActiveMessage& message, const std::vector<Conclusion>& conclusions) {
  std::vector<queue::RecipientOutcome> outcomes;
  outcomes.reserve(conclusions.size());
  for (const Conclusion& conclusion : conclusions) outcomes.push_back(conclusion.outcome);
  const std::string signature = message.signature_is_new ? message.signature : std::string();
  while (true) {
    Result<> settled = co_await services_.queue.settle(context_.loop, message.lease, outcomes, signature);
    if (settled) co_return;
    // Nothing is lost while we wait: unsettled recipients are tried again after a restart.
    log::Event(log::Level::Warning, "delivery.settle_failed")
        .with("queue_id", message.lease.id)
        .with("reason", settled.error().detail);
    if (stopping_ || settled.error().code != Errc::Unavailable) co_return;
    co_await context_.loop.sleep_until(services_.clock.steady_now() + kSettleAgain);
  }
}

void Lane::record(const ActiveMessage& message, const std::vector<Conclusion>& conclusions) {
  using Kind = queue::RecipientOutcome::Kind;
  const TimePoint now = services_.clock.now();
  for (const Conclusion& conclusion : conclusions) {
    if (conclusion.outcome.kind == Kind::Untried) continue;
    services_.metrics.recipient(conclusion.outcome.kind);
    queue::HistoryEvent event = history_event(message, conclusion, now);
    const std::optional<Attempt>& attempt = message.attempts[conclusion.position];
    log::Event(log::Level::Info, "delivery." + event.kind)
        .with("queue_id", message.lease.id)
        .with("session", message.lease.session)
        .with("recipient", event.recipient)
        .with("host", attempt && attempt->peer ? attempt->peer->host : std::string())
        .with("attempt", message.lease.attempts[conclusion.position] + 1)
        .with("status", conclusion.outcome.status)
        .with("reply", conclusion.outcome.text);
    if (conclusion.outcome.kind == Kind::Failed && message.lease.envelope.reverse_path.empty()) {
      // RFC 3461 §5.2: nobody to report to; the postmaster finds it here.
      log::Event(log::Level::Warning, "delivery.report_undeliverable").with("queue_id", message.lease.id);
    }
    services_.history.record(std::move(event));
  }
}

// ---- the end

void Lane::stop() {
  stopping_ = true;
  for (const auto& [destination, site] : sites_) site->stop();
}

void Lane::forget_failures() {
  dead_hosts_.clear();
  for (const auto& [destination, site] : sites_) site->forget_failure();
}

void Lane::cancel() {
  for (const auto& [destination, site] : sites_) site->cancel();
}

}  // namespace postern::delivery
