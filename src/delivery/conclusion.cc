#include "delivery/conclusion.h"

#include "delivery/route_table.h"
#include "delivery/tries.h"
#include "mail/date.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

namespace postern::delivery {
namespace {

using Kind = queue::RecipientOutcome::Kind;

const char* kind_name(Kind kind) {
  switch (kind) {
    case Kind::Delivered:
      return "delivered";
    case Kind::Retry:
      return "deferred";
    case Kind::Failed:
      return "failed";
    case Kind::Postponed:
      return "postponed";
    case Kind::Held:
      return "held";
    case Kind::Untried:
      return "untried";
  }
  return "unknown";
}

RetrySchedule schedule_of(const ActiveMessage& message, const Options& options) {
  const bool bulk = message.urgency == Urgency::Bulk;
  RetrySchedule schedule{options.first_retry, options.longest_retry, options.give_up_after};
  if (bulk) {
    schedule.first = options.bulk_first_retry;
    schedule.longest = std::max<std::chrono::milliseconds>(schedule.first, schedule.longest);
    schedule.give_up_after = options.bulk_give_up_after;
  }
  const std::optional<smtp::DeliverBy>& by = message.lease.envelope.params.handling.by;
  if (by &&
      by->mode == smtp::DeliverBy::Mode::Return) {  // RFC 2852 §4.1.3; it counts from when it was accepted
    const auto begun = queue::not_before(message.lease.envelope, message.lease.accepted_at);
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(message.lease.accepted_at + by->within - begun);
    schedule.give_up_after = std::min(schedule.give_up_after, left);
  }
  return schedule;
}

bool tells_when_late(const ActiveMessage& message) {
  const std::optional<smtp::DeliverBy>& by = message.lease.envelope.params.handling.by;
  return by && by->mode == smtp::DeliverBy::Mode::Notify;
}

/// From when on mail counts as late: what its sender asked for with BY, or the general time; nullopt: never.
std::optional<TimePoint> late_from(const ActiveMessage& message, const Options& options) {
  const queue::Lease& lease = message.lease;
  if (tells_when_late(message)) return lease.accepted_at + lease.envelope.params.handling.by->within;
  if (options.delay_notice_after.count() == 0) return std::nullopt;
  return queue::not_before(lease.envelope, lease.accepted_at) + options.delay_notice_after;
}

/// When those are tried again who have failed so often. Recipients who failed together come again together, in one
/// transaction, and their sender hears of them in one notice.
class NextAttempts {
 public:
  NextAttempts(const ActiveMessage& message, TimePoint now, const Options& options, Rng& rng)
      : begun_(queue::not_before(message.lease.envelope, message.lease.accepted_at)),
        now_(now),
        schedule_(schedule_of(message, options)),
        rng_(rng) {}
  [[nodiscard]] const Result<TimePoint>& after(std::uint32_t attempts) {
    const auto known = known_.find(attempts);
    if (known != known_.end()) return known->second;
    return known_.emplace(attempts, next_attempt(begun_, attempts, now_, schedule_, rng_)).first->second;
  }
  [[nodiscard]] TimePoint begun() const { return begun_; }
  [[nodiscard]] const RetrySchedule& schedule() const { return schedule_; }

 private:
  const TimePoint begun_;
  const TimePoint now_;
  const RetrySchedule schedule_;
  Rng& rng_;
  std::map<std::uint32_t, Result<TimePoint>> known_;
};

void decide_retry(queue::RecipientOutcome& out, const ActiveMessage& message, std::size_t position,
                  TimePoint now, const Options& options, NextAttempts& attempts) {
  const Outcome& outcome = message.attempts[position]->outcome;
  const bool tried = outcome.decision == Decision::Retry;
  const Result<TimePoint>& next = attempts.after(message.lease.attempts[position] + 1);
  if (next) {
    out.kind = tried ? Kind::Retry : Kind::Postponed;
    out.retry_at = tried ? std::max(*next, now + outcome.wait) : now + outcome.wait;
    // What was promised for a time happens then: the return, or the word that it is late (RFC 2852 §4.1.3).
    if (message.lease.envelope.params.handling.by)
      out.retry_at = std::min(out.retry_at, attempts.begun() + attempts.schedule().give_up_after);
    const std::optional<TimePoint> late = late_from(message, options);
    if (tells_when_late(message) && *late > now) out.retry_at = std::min(out.retry_at, *late);
    return;
  }
  out.kind = Kind::Failed;
  // RFC 3463 §3.5 X.4.7, delivery time expired; class 5 as RFC 2852 §4.1.3 has it: no attempt follows, and the
  // Action is "failed" (RFC 3464 §2.3.4). The remote's own 4yz stands in Diagnostic-Code.
  out.status = "5.4.7";
  out.text = "could not be delivered in time; last: " + out.text;
}

ReportedRecipient reported(const ActiveMessage& message, const Conclusion& conclusion, TimePoint now) {
  const smtp::Recipient& recipient = message.lease.envelope.recipients[conclusion.position];
  const Attempt& attempt = *message.attempts[conclusion.position];
  ReportedRecipient out{.address = recipient.address,
                        .orcpt = recipient.orcpt,
                        .status = conclusion.outcome.status,
                        .remote_mta = "",
                        .diagnostic = conclusion.outcome.text,
                        .last_attempt = now};
  if (attempt.outcome.remote && attempt.peer) {
    out.remote_mta = attempt.peer->host;
    out.diagnostic = attempt.outcome.text;
  }
  return out;
}

/// What the sender is to be told of a recipient, if anything.
std::optional<News> news_of(const ActiveMessage& message, const Conclusion& conclusion, TimePoint now,
                            const Options& options) {
  const smtp::Notify notify = message.lease.envelope.recipients[conclusion.position].notify;
  const std::optional<Attempt>& attempt = message.attempts[conclusion.position];
  switch (conclusion.outcome.kind) {
    case Kind::Failed:
      return notify.wants_failure() ? std::optional(News::Failed) : std::nullopt;
    case Kind::Retry:
    case Kind::Postponed: {
      const std::optional<TimePoint> from = late_from(message, options);
      const bool late = from && now >= *from;
      const bool wanted = notify.absent() || (notify.bits & smtp::Notify::kDelay) != 0;
      const bool told = message.lease.delay_reported[conclusion.position];
      return late && wanted && !told ? std::optional(News::Delayed) : std::nullopt;
    }
    case Kind::Delivered: {
      const bool wanted = (notify.bits & smtp::Notify::kSuccess) != 0;
      if (attempt && attempt->members > 1) return wanted ? std::optional(News::Expanded) : std::nullopt;
      const bool relayed = attempt && attempt->peer && !attempt->peer->reports;
      const std::optional<smtp::DeliverBy>& by = message.lease.envelope.params.handling.by;
      // RFC 2852 §4.1.4: asked for by its trace flag, and where nobody keeps the time from here on.
      const bool in_time = by && now < message.lease.accepted_at + by->within;
      const bool traced = by && attempt && attempt->peer && (notify.bits & smtp::Notify::kNever) == 0 &&
                          (by->trace || (tells_when_late(message) && in_time && !attempt->peer->keeps_time));
      return (wanted && relayed) || traced ? std::optional(News::Relayed) : std::nullopt;
    }
    case Kind::Held:
    case Kind::Untried:
      break;
  }
  return std::nullopt;
}

}  // namespace

std::vector<Conclusion> conclude_attempts(const ActiveMessage& message, TimePoint now, const Options& options,
                                          Rng& rng) {
  NextAttempts attempts(message, now, options, rng);
  std::vector<Conclusion> conclusions;
  conclusions.reserve(message.attempts.size());
  for (std::size_t i = 0; i < message.attempts.size(); ++i) {
    Conclusion& conclusion = conclusions.emplace_back(Conclusion{i, {}});
    queue::RecipientOutcome& out = conclusion.outcome;
    out.index = message.lease.index[i];
    const std::optional<Attempt>& attempt = message.attempts[i];
    if (!attempt) continue;  // Untried
    out.status = attempt->outcome.status;
    out.text = attempt->outcome.text;
    switch (attempt->outcome.decision) {
      case Decision::Done:
        out.kind = Kind::Delivered;
        break;
      case Decision::Failed:
        out.kind = Kind::Failed;
        break;
      case Decision::Retry:
      case Decision::Postponed:
        decide_retry(out, message, i, now, options, attempts);
        break;
      case Decision::Held:
        out.kind = Kind::Held;
        break;
    }
  }
  return conclusions;
}

std::vector<Report> reports_due(const ActiveMessage& message, std::vector<Conclusion>& conclusions,
                                TimePoint now, const Options& options, const std::string& hostname) {
  const queue::Lease& lease = message.lease;
  const smtp::Envelope& envelope = lease.envelope;
  std::vector<Report> due;
  if (envelope.reverse_path.empty()) return due;
  for (const News news : {News::Failed, News::Delayed, News::Expanded, News::Relayed}) {
    Report report;
    for (Conclusion& conclusion : conclusions) {
      if (news_of(message, conclusion, now, options) != news) continue;
      report.recipients.push_back(reported(message, conclusion, now));
      if (news == News::Delayed && tells_when_late(message)) report.recipients.back().status = "4.4.7";
      conclusion.outcome.delay_reported = news == News::Delayed;
    }
    if (report.recipients.empty()) continue;
    report.news = news;
    report.tried_until =
        queue::not_before(lease.envelope, lease.accepted_at) + schedule_of(message, options).give_up_after;
    report.original = lease.id;
    report.reporting_mta = hostname;
    report.from = "postmaster@" + hostname;
    report.sender = envelope.reverse_path;
    report.envid = envelope.params.envid;
    report.arrived = lease.accepted_at;
    report.now = now;
    report.what = envelope.params.ret == smtp::Ret::Full ? Return::Full : Return::Headers;
    const smtp::Handling& handling = envelope.params.handling;
    if (handling.require_tls) report.what = Return::Headers;  // RFC 8689 §5
    if (handling.by) report.deliver_by = lease.accepted_at + handling.by->within;
    if (handling.hold) report.future_release = smtp::to_string(*handling.hold);
    due.push_back(std::move(report));
  }
  return due;
}

void postpone_failures(std::vector<Conclusion>& conclusions, TimePoint when, const std::string& why) {
  for (Conclusion& conclusion : conclusions) {
    if (conclusion.outcome.kind != Kind::Failed) continue;
    conclusion.outcome.kind = Kind::Retry;
    conclusion.outcome.retry_at = when;
    conclusion.outcome.text += " (the report could not be queued: " + why + ")";
  }
}

queue::HistoryEvent history_event(const ActiveMessage& message, const Conclusion& conclusion, TimePoint now) {
  std::string detail;
  const std::optional<Attempt>& attempt = message.attempts[conclusion.position];
  if (attempt && attempt->peer) {
    const Peer& peer = *attempt->peer;
    detail = peer.host + " [" + peer.ip + "]";
    if (!peer.security.empty()) detail += ", " + peer.security;
    if (!peer.route.empty() && peer.route != kDefaultRoute) detail += ", route " + peer.route;
    detail += ": ";
  }
  const std::string_view text = conclusion.outcome.text;
  detail += attempt && attempt->peer ? without_host(text, *attempt->peer) : text;
  if (attempt && !attempt->outcome.rule.empty()) detail += "; rule: " + attempt->outcome.rule;
  if (attempt && attempt->peer && !attempt->peer->others.empty())
    detail += "; also tried: " + attempt->peer->others;
  if (attempt && attempt->outcome.site) detail += "; the site is given a pause";
  if (conclusion.outcome.kind == Kind::Retry || conclusion.outcome.kind == Kind::Postponed) {
    detail += "; next attempt " + mail::format_date(conclusion.outcome.retry_at);
  }
  return {.time = now,
          .id = message.lease.id,
          .kind = kind_name(conclusion.outcome.kind),
          .account = message.lease.account_name,
          .sender = message.lease.envelope.reverse_path,
          .recipient = message.lease.envelope.recipients[conclusion.position].address,
          .detail = std::move(detail)};
}

}  // namespace postern::delivery
