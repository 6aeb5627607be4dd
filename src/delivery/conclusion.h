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
/// becomes Failed (4.4.7) when that has run out.
[[nodiscard]] std::vector<Conclusion> conclude_attempts(const ActiveMessage& message, TimePoint now,
                                                        const Options& options, Rng& rng);

/// The report that is due for the failures among `conclusions`; nullopt when the sender is <> (RFC 5321
/// §4.5.5) or no failed recipient wants one (RFC 3461 §5.2.6). `hostname` is ours.
[[nodiscard]] std::optional<Report> report_due(const ActiveMessage& message,
                                               const std::vector<Conclusion>& conclusions, TimePoint now,
                                               const std::string& hostname);

/// The report could not be queued: its failures wait until `when`, and are reported then.
void postpone_failures(std::vector<Conclusion>& conclusions, TimePoint when, const std::string& why);

/// What `postern trace` shows of one recipient's attempt.
[[nodiscard]] queue::HistoryEvent history_event(const ActiveMessage& message, const Conclusion& conclusion,
                                                TimePoint now);

}  // namespace postern::delivery
