#pragma once

#include "base/clock.h"
#include "delivery/dsn.h"
#include "delivery/message.h"
#include "delivery/options.h"
#include "delivery/retry.h"
#include "queue/history.h"
#include "queue/queue.h"

#include <optional>
#include <string>
#include <vector>

namespace postern::delivery {

/// What an attempt means for one recipient from here on. Pure values: the decisions, without doing anything.
struct Conclusion {
  std::size_t position;             ///< in the lease
  queue::RecipientOutcome outcome;  ///< what the queue is told
};

/// Turns the attempts of a message into decisions: Retry gets its time by the schedule of `options`, and
/// becomes Failed (5.4.7) when that has run out.
[[nodiscard]] std::vector<Conclusion> conclude_attempts(const ActiveMessage& message, TimePoint now,
                                                        const Options& options, Rng& rng);

/// The reports that are due for `conclusions`, at most one of each kind: of failures (RFC 3461 §5.2.6); of mail that is
/// late by options.delay_notice_after, once, unless NOTIFY says otherwise (§5.2.5), in which case the conclusion is
/// marked; of mail that was handed to a system that reports no success although the sender wants to know (§5.2.2).
/// None for the sender <> (RFC 5321 §4.5.5). `hostname` is ours.
[[nodiscard]] std::vector<Report> reports_due(const ActiveMessage& message,
                                              std::vector<Conclusion>& conclusions, TimePoint now,
                                              const Options& options, const std::string& hostname);

/// The report could not be queued: its failures wait until `when`, and are reported then.
void postpone_failures(std::vector<Conclusion>& conclusions, TimePoint when, const std::string& why);

/// What `postern trace` shows of one recipient's attempt.
[[nodiscard]] queue::HistoryEvent history_event(const ActiveMessage& message, const Conclusion& conclusion,
                                                TimePoint now);

}  // namespace postern::delivery
