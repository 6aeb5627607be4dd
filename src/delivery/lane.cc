#include "delivery/lane.h"

#include "base/log.h"
#include "delivery/expansion.h"
#include "delivery/grouping.h"
#include "delivery/tries.h"
#include "mail/message_id.h"
#include "smtp/ascii.h"

#include <algorithm>
#include <random>
#include <utility>

namespace postern::delivery {
namespace {

constexpr std::size_t kMaxSites = 10'000;
/// At once to a site of which nothing is known yet; Pace takes it from there.
constexpr std::uint32_t kFirstConnections = 5;
/// Messages up to this size are held in memory while they are delivered; the queue's pieces have the same
/// size.
constexpr std::uint64_t kSmall = 64 * 1024;
/// A report that could not be queued is tried again after this.
constexpr std::chrono::minutes kReportAgain{5};
constexpr std::chrono::seconds kSettleAgain{1};
/// How often it is seen whether what an old configuration began is over.
constexpr std::chrono::seconds kLookForOld{1};

std::string report_name(News news) {
  return news == News::Failed     ? "failure report "
         : news == News::Delayed  ? "delay notice "
         : news == News::Expanded ? "report of an alias "
                                  : "success report ";
}

std::vector<std::optional<Attempt>> same_for_all(const Job& job, const Outcome& outcome) {
  return std::vector<std::optional<Attempt>>(job.recipients.size(), Attempt{outcome, nullptr});
}

/// BY=...;R whose time has passed: it has failed, and must not be tried again (RFC 2852 §4.1.3).
void return_what_is_late(ActiveMessage& message, TimePoint now) {
  const std::optional<smtp::DeliverBy>& by = message.lease.envelope.params.handling.by;
  if (!by || by->mode != smtp::DeliverBy::Mode::Return || now < message.lease.accepted_at + by->within)
    return;
  for (std::optional<Attempt>& attempt : message.attempts) {
    if (!attempt)
      attempt = Attempt{local_outcome(Decision::Failed, "5.4.7",
                                      "it could not be delivered within the " +
                                          std::to_string(by->within.count()) + " seconds that it was given"),
                        nullptr};
  }
}

/// `postern queue bounce`: those recipients have failed without an attempt.
void return_what_was_asked(ActiveMessage& message) {
  for (std::size_t i = 0; i < message.lease.bounce.size(); ++i) {
    if (message.lease.bounce[i])
      message.attempts[i] = Attempt{
          local_outcome(Decision::Failed, "5.0.0", "the operator of this server returned the message"),
          nullptr};
  }
}

}  // namespace

/// All that one configuration decides. Its sites borrow from it: it ends when they are idle.
struct Lane::Ways {
  Ways(std::shared_ptr<const Settings> s, net::Loop& loop, dns::Resolver& resolver, const Services& services)
      : settings(std::move(s)),
        dead_hosts(settings->options.dead_host_memory),
        tls(loop, resolver, settings->map, services.mta_sts, services.tls_sessions != nullptr),
        next_hops(settings->map, resolver, services.clock, tls) {
    if (settings->options.mode == Mode::Sandbox) sandbox.emplace(settings->sandbox_directory);
  }
  [[nodiscard]] bool over() const {
    return borrowers == 0 &&
           std::ranges::all_of(sites, [](const auto& entry) { return entry.second->idle(); });
  }

  const std::shared_ptr<const Settings> settings;
  DeadHosts dead_hosts;
  TlsPolicies tls;
  NextHops next_hops;
  std::optional<SiteContext> context;
  std::optional<Sandbox> sandbox;
  std::unordered_map<std::string, std::unique_ptr<Site>> sites;
  std::size_t borrowers = 0;  // coroutines that are going to give mail to a site
  bool old = false;
};

Lane::Lane(net::Loop& loop, dns::Resolver& resolver, std::shared_ptr<const Settings> settings,
           Services services, Shared& shared, std::function<void()> on_concluded)
    : loop_(loop),
      resolver_(resolver),
      services_(std::move(services)),
      shared_(shared),
      on_concluded_(std::move(on_concluded)),
      rng_(std::random_device{}()),
      ways_(make_ways(std::move(settings))) {}

std::shared_ptr<Lane::Ways> Lane::make_ways(std::shared_ptr<const Settings> settings) {
  auto ways = std::make_shared<Ways>(std::move(settings), loop_, resolver_, services_);
  const double room = ways->settings->options.max_active;
  ways->context.emplace(SiteContext{
      .loop = loop_,
      .resolver = resolver_,
      .options = ways->settings->options,
      .identity = ways->settings->map.identity,
      .clock = services_.clock,
      .metrics = services_.metrics,
      .dead_hosts = ways->dead_hosts,
      .rng = rng_,
      .tls = ways->tls,
      .tls_sessions = services_.tls_sessions,
      .sessions = sessions_,
      .free_room = [this,
                    room] { return std::max(0.0, 1.0 - static_cast<double>(shared_.room.taken()) / room); },
      .open_content = [this](ActiveMessage& message) { return open_content(message); },
      .withdrawn = [this](QueueId id) { return services_.queue.withdrawn(id); },
      .finished = [this](
                      const Job& job,
                      std::vector<std::optional<Attempt>> attempts) { finished(job, std::move(attempts)); }});
  return ways;
}

const Settings& Lane::settings() const { return *ways_->settings; }

void Lane::adopt(std::shared_ptr<const Settings> settings) {
  if (stopping_) return;
  ways_->old = true;
  // May conclude messages at once; they are due again, and come back by the new ways.
  const std::shared_ptr<Ways> before = std::exchange(ways_, make_ways(std::move(settings)));
  for (const auto& [name, site] : before->sites) site->stop();
  old_ways_.push_back(before);
  if (!std::exchange(forgetting_, true)) loop_.spawn(forget_old_ways());
}

net::Task<> Lane::forget_old_ways() {
  while (!old_ways_.empty() && !stopping_) {
    co_await loop_.sleep_until(services_.clock.steady_now() + kLookForOld);
    std::erase_if(old_ways_, [](const std::shared_ptr<Ways>& ways) { return ways->over(); });
  }
  forgetting_ = false;
}

Lane::~Lane() = default;

// ---- from lease to jobs

void Lane::deliver(queue::Lease lease, std::shared_ptr<const std::string> content) {
  auto message = std::make_shared<ActiveMessage>();
  message->signature = lease.signature;
  message->content = std::move(content);
  message->attempts.resize(lease.envelope.recipients.size());
  message->lease = std::move(lease);
  if (services_.urgency) message->urgency = services_.urgency(message->lease.account);
  if (const auto priority = message->lease.envelope.params.handling.priority; priority && *priority != 0) {
    message->urgency = *priority > 0 ? Urgency::Prompt : Urgency::Bulk;  // RFC 6710 §4.1
  }
  return_what_was_asked(*message);
  return_what_is_late(*message, services_.clock.now());
  if (message->content) {
    message->wish = tls_wish(message->lease.envelope, *message->content);
    start(message);
  } else {
    loop_.spawn(prepare(std::move(message)));
  }
}

net::Task<> Lane::prepare(std::shared_ptr<ActiveMessage> message) {
  Result<> ready = co_await load_and_sign(*message);
  if (ready) {
    start(message);
    co_return;
  }
  const Attempt attempt{local_outcome(Decision::Retry, "4.3.0", ready.error().detail), nullptr};
  for (std::optional<Attempt>& open : message->attempts) {
    if (!open) open = attempt;
  }
  co_await conclude(std::move(message));
}

net::Task<Result<>> Lane::load_and_sign(ActiveMessage& message) {
  const queue::Lease& lease = message.lease;
  if (lease.size <= kSmall) {
    POSTERN_CO_TRY(std::string content, co_await services_.queue.read(loop_, lease.id, 0));
    message.content = std::make_shared<const std::string>(std::move(content));
    message.wish = tls_wish(lease.envelope, *message.content);
    co_return Result<>{};  // signed when its turn comes
  }
  POSTERN_CO_TRY(const std::string beginning, co_await services_.queue.read(loop_, lease.id, 0));
  message.wish = tls_wish(lease.envelope, beginning);
  if (!wants_signature(message)) co_return Result<>{};
  MessageDigest digest;
  for (std::uint32_t number = 0;; ++number) {
    POSTERN_CO_TRY(const std::string piece, co_await services_.queue.read(loop_, lease.id, number));
    if (piece.empty()) break;
    digest.update(piece);
  }
  const std::string body = digest.finish();
  co_return sign(message, digest.header(), body);
}

void Lane::start(const std::shared_ptr<ActiveMessage>& message) {
  std::vector<Group> groups = groups_of(message, settings().options, settings().map.routes);
  if (groups.empty()) return loop_.spawn(conclude(message));
  message->open_jobs = groups.size();  // before the first is given away: it may come back at once
  for (Group& group : groups) dispatch(*group.choice, group.domain, std::move(group.job));
}

void Lane::dispatch(const RouteChoice& choice, const std::string& domain, Job job) {
  if (ways_->sandbox) return loop_.spawn(capture(ways_, std::move(job)));
  if (choice.action == RouteAction::Expand) return loop_.spawn(expand(ways_, choice, std::move(job)));
  if (choice.action == RouteAction::Discard || choice.action == RouteAction::Hold) {
    return refuse_to_send(choice.action, choice, job);
  }
  if (const std::shared_ptr<const NextHop> hop = ways_->next_hops.known(choice, domain, job.message->wish)) {
    site(*ways_, hop).add(std::move(job));
  } else {
    loop_.spawn(find_site(ways_, choice, domain, std::move(job)));
  }
}

void Lane::refuse_to_send(RouteAction action, const RouteChoice& choice, const Job& job) {
  Outcome outcome = action == RouteAction::Discard
                        ? local_outcome(Decision::Done, "2.0.0", "discarded by route " + choice.name)
                        : local_outcome(Decision::Held, "4.3.0", "held by route " + choice.name);
  outcome.rule = "route " + choice.name;
  finished(job, same_for_all(job, outcome));
}

net::Task<> Lane::find_site(std::shared_ptr<Ways> ways, const RouteChoice& choice, std::string domain,
                            Job job) {
  const TlsWish wish = job.message->wish;
  ++ways->borrowers;
  const std::shared_ptr<const NextHop> hop = co_await ways->next_hops.find(choice, domain, wish);
  --ways->borrowers;
  if (hop->exists()) {
    shared_.site_names->learn(domain, hop->budget);
    site(*ways, hop).add(std::move(job));
  } else {
    finished(job, same_for_all(job, hop->hosts.failure));
  }
}

Site& Lane::site(Ways& ways, const std::shared_ptr<const NextHop>& hop) {
  if (const auto known = ways.sites.find(hop->site); known != ways.sites.end()) return *known->second;
  if (ways.sites.size() >= kMaxSites)
    std::erase_if(ways.sites, [](const auto& entry) { return entry.second->idle(); });
  const Courtesy& courtesy = *hop->courtesy;
  const Pace::Settings pace{
      .first_connections = hop->relay != nullptr ? courtesy.max_connections : kFirstConnections,
      .max_connections = courtesy.max_connections,
      .rate = courtesy.rate,
      .first_pause = ways.settings->options.dead_host_memory};
  auto made = std::make_unique<Site>(*ways.context, hop,
                                     shared_.paces.of(hop->budget, pace, services_.clock.steady_now()));
  if (stopping_ || ways.old) made->stop();
  return *ways.sites.emplace(hop->site, std::move(made)).first->second;
}

// ---- content

bool Lane::wants_signature(const ActiveMessage& message) const {
  return settings().options.sign == Signing::Domain && message.signature.empty() &&
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
    content = std::make_unique<QueueContent>(services_.queue, loop_, lease.id, lease.size, message.signature);
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

net::Task<> Lane::expand(std::shared_ptr<Ways> ways, const RouteChoice& choice, Job job) {
  Expander expander(loop_, services_.queue, services_.history, services_.clock);
  ++ways->borrowers;
  std::vector<std::optional<Attempt>> attempts;
  for (const std::uint32_t position : job.recipients) {
    Attempt attempt = co_await expander.expand(*job.message, position, choice, ways->settings->map.routes);
    attempts.emplace_back(std::move(attempt));
  }
  --ways->borrowers;
  finished(job, std::move(attempts));
}

net::Task<> Lane::capture(std::shared_ptr<Ways> ways, Job job) {
  ++ways->borrowers;
  Result<> captured = co_await capture_content(*ways->sandbox, job);
  --ways->borrowers;
  const Outcome outcome = captured ? local_outcome(Decision::Done, "2.0.0", "kept in the sandbox")
                                   : local_outcome(Decision::Retry, "4.3.0", captured.error().detail);
  finished(job, same_for_all(job, outcome));
}

net::Task<Result<>> Lane::capture_content(Sandbox& sandbox, const Job& job) {
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
  co_return sandbox.capture(entry, whole);
}

// ---- from attempts to the queue

void Lane::finished(const Job& job, std::vector<std::optional<Attempt>> attempts) {
  ActiveMessage& message = *job.message;
  for (std::size_t i = 0; i < job.recipients.size(); ++i) {
    message.attempts[job.recipients[i]] = std::move(attempts[i]);
  }
  if (--message.open_jobs == 0) loop_.spawn(conclude(job.message));
}

net::Task<> Lane::conclude(std::shared_ptr<ActiveMessage> message) {
  const TimePoint now = services_.clock.now();
  std::vector<Conclusion> conclusions = conclude_attempts(*message, now, settings().options, rng_);
  std::vector<Report> due =
      reports_due(*message, conclusions, now, settings().options, settings().map.identity.hostname);
  for (Report& each : due) {
    const News news = each.news;
    // Durable before the failure is settled, so that no crash can lose it.
    Result<> reported = co_await report(*message, std::move(each));
    if (!reported && news == News::Failed)
      postpone_failures(conclusions, now + kReportAgain, reported.error().detail);
    if (!reported && news == News::Delayed) {
      for (Conclusion& conclusion : conclusions) conclusion.outcome.delay_reported = false;
    }
  }
  record(*message, conclusions);
  co_await settle(*message, conclusions);
  on_concluded_();
}

net::Task<Result<>> Lane::report(const ActiveMessage& message, Report report) {
  const queue::Lease& lease = message.lease;
  if (lease.size > kSmall)
    report.what = Return::Headers;  // a large message comes back as its header (RFC 3461 §4.3 allows it)
  std::string beginning;
  if (!message.content) {
    POSTERN_CO_TRY(beginning, co_await services_.queue.read(loop_, lease.id, 0));
  }
  const QueueId unique{make_id(report.now.time_since_epoch().count())};
  report.message_id = mail::make_message_id(unique, settings().map.identity.hostname);
  std::string content = build_report(report, message.content ? *message.content : beginning);
  smtp::MailParams params;
  params.smtputf8 = smtp::has_eight_bit(report.sender);
  const smtp::Handling& handling = lease.envelope.params.handling;
  params.handling.require_tls = handling.require_tls;  // RFC 8689 §5
  params.handling.priority = handling.priority;        // RFC 6710 §4.6
  std::string recipient = report.sender;
  Result<> queued =
      co_await services_.enqueue_report(loop_, std::move(recipient), std::move(content), std::move(params));
  if (!queued) co_return queued;
  services_.metrics.report_sent();
  services_.history.record({.time = report.now,
                            .id = lease.id,
                            .kind = "reported",
                            .account = lease.account_name,
                            .sender = "",
                            .recipient = report.sender,
                            .detail = report_name(report.news) + report.message_id});
  co_return Result<>{};
}

net::Task<> Lane::settle(const ActiveMessage& message, const std::vector<Conclusion>& conclusions) {
  std::vector<queue::RecipientOutcome> outcomes;
  outcomes.reserve(conclusions.size());
  for (const Conclusion& conclusion : conclusions) {
    queue::RecipientOutcome& outcome = outcomes.emplace_back(conclusion.outcome);
    // Operators group what waits by its reason: the same trouble at a hundred hosts is one.
    if (const std::optional<Attempt>& attempt = message.attempts[conclusion.position];
        attempt && attempt->peer)
      outcome.text = without_host(conclusion.outcome.text, *attempt->peer);
  }
  const std::string signature = message.signature_is_new ? message.signature : std::string();
  while (true) {
    Result<> settled = co_await services_.queue.settle(loop_, message.lease, outcomes, signature);
    if (settled) co_return;
    // Nothing is lost while we wait: unsettled recipients are tried again after a restart.
    log::Event(log::Level::Warning, "delivery.settle_failed")
        .with("queue_id", message.lease.id)
        .with("reason", settled.error().detail);
    if (stopping_ || settled.error().code != Errc::Unavailable) co_return;
    co_await loop_.sleep_until(services_.clock.steady_now() + kSettleAgain);
  }
}

void Lane::record(const ActiveMessage& message, const std::vector<Conclusion>& conclusions) {
  using Kind = queue::RecipientOutcome::Kind;
  const TimePoint now = services_.clock.now();
  std::vector<FinalAnswer> answers;
  for (const Conclusion& conclusion : conclusions) {
    if (conclusion.outcome.kind == Kind::Untried) continue;
    services_.metrics.recipient(conclusion.outcome.kind);
    const bool unknown = conclusion.outcome.kind == Kind::Failed && says_unknown(conclusion.outcome.status);
    if (unknown || conclusion.outcome.kind == Kind::Delivered)
      answers.push_back({message.lease.envelope.recipients[conclusion.position].address, unknown});
    queue::HistoryEvent event = history_event(message, conclusion, now);
    const std::optional<Attempt>& attempt = message.attempts[conclusion.position];
    // Thousands may be sent away from a slow site, again and again: the history has them.
    const bool routine = conclusion.outcome.kind == Kind::Postponed;
    log::Event(routine ? log::Level::Debug : log::Level::Info, "delivery." + event.kind)
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
  if (services_.answered && !message.lease.account_name.empty() && !answers.empty())
    services_.answered(message.lease, answers);
}

// ---- the end

void Lane::stop() {
  stopping_ = true;
  for (const auto& [destination, site] : ways_->sites) site->stop();
}

void Lane::forget_failures() {
  ways_->dead_hosts.clear();
  ways_->next_hops.forget();
}

void Lane::cancel() {
  for (const auto& [destination, site] : ways_->sites) site->cancel();
  for (const std::shared_ptr<Ways>& ways : old_ways_) {
    for (const auto& [destination, site] : ways->sites) site->cancel();
  }
}

}  // namespace postern::delivery
