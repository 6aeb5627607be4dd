#include "delivery/conclusion.h"

#include "mail/date.h"

#include <algorithm>
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
    case Kind::Untried:
      return "untried";
  }
  return "unknown";
}

RetrySchedule schedule_of(const Options& options) {
  return {options.first_retry, options.longest_retry, options.give_up_after};
}

void decide_retry(queue::RecipientOutcome& out, const ActiveMessage& message, std::size_t position,
                  TimePoint now, const Options& options, Rng& rng) {
  const Result<TimePoint> next = next_attempt(message.lease.accepted_at, message.lease.attempts[position] + 1,
                                              now, schedule_of(options), rng);
  if (next) {
    out.kind = Kind::Retry;
    out.retry_at = *next;
    return;
  }
  out.kind = Kind::Failed;
  out.status = "4.4.7";  // RFC 3463 §3.5: delivery time expired
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

}  // namespace

std::vector<Conclusion> conclude_attempts(const ActiveMessage& message, TimePoint now, const Options& options,
                                          Rng& rng) {
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
        decide_retry(out, message, i, now, options, rng);
        break;
    }
  }
  return conclusions;
}

std::optional<Report> report_due(const ActiveMessage& message, const std::vector<Conclusion>& conclusions,
                                 TimePoint now, const std::string& hostname) {
  const smtp::Envelope& envelope = message.lease.envelope;
  if (envelope.reverse_path.empty()) return std::nullopt;
  Report report;
  for (const Conclusion& conclusion : conclusions) {
    if (conclusion.outcome.kind != Kind::Failed) continue;
    if (!envelope.recipients[conclusion.position].notify.wants_failure()) continue;
    report.failed.push_back(reported(message, conclusion, now));
  }
  if (report.failed.empty()) return std::nullopt;
  report.original = message.lease.id;
  report.reporting_mta = hostname;
  report.from = "postmaster@" + hostname;
  report.sender = envelope.reverse_path;
  report.envid = envelope.params.envid;
  report.arrived = message.lease.accepted_at;
  report.now = now;
  report.what = envelope.params.ret == smtp::Ret::Full ? Return::Full : Return::Headers;
  return report;
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
    detail += ": ";
  }
  detail += conclusion.outcome.text;
  if (conclusion.outcome.kind == Kind::Retry) {
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
