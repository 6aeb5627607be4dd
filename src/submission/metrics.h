#pragma once

#include "intake/refusal.h"
#include "metrics/registry.h"

#include <chrono>
#include <cstdint>

namespace postern::submission {

/// Why a client was turned away before the banner.
enum class TurnedAway : std::uint8_t { TooMany, TooManyFromNetwork, StoreDown };
/// What a login came to.
enum class Login : std::uint8_t { Ok, Failed, LockedOut, Unavailable };
/// Why a message was not taken after its content.
enum class Rejected : std::uint8_t { Content, TooBig, Rights, Limit, StoreDown, Suspended, Held, Scanner };

[[nodiscard]] constexpr Rejected rejected_because(intake::Refusal::Why why) {
  using Why = intake::Refusal::Why;
  switch (why) {
    case Why::BadContent:
    case Why::TooManyHops:
      return Rejected::Content;
    case Why::HeaderTooLarge:
      return Rejected::TooBig;
    case Why::NotYourFrom:
    case Why::NoSigningKey:
      return Rejected::Rights;
    case Why::OverLimit:
    case Why::OverLimitForGood:
      return Rejected::Limit;
    case Why::StoreDown:
      return Rejected::StoreDown;
    case Why::Unwanted:
    case Why::NotScanned:
      return Rejected::Scanner;
    case Why::Suspended:
      return Rejected::Suspended;
    case Why::Held:
      return Rejected::Held;
  }
  return Rejected::Content;
}

/// What submission counts. Threads: safe from any thread.
class Metrics {
 public:
  explicit Metrics(metrics::Registry& registry) : registry_(registry) {}

  void session_begun() {
    sessions_.add();
    open_.add(1);
  }
  void session_ended() { open_.add(-1); }
  void turned_away(TurnedAway why) { turned_away_.add(why); }
  void login(Login result) { logins_.add(result); }
  void command_refused() { commands_refused_.add(); }
  void message_accepted(std::uint64_t octets, std::chrono::nanoseconds commit_time) {
    accepted_.add();
    octets_.add(octets);
    commit_.observe(commit_time);
  }
  void message_rejected(Rejected why) { rejected_.add(why); }

 private:
  metrics::Registry& registry_;
  metrics::Counter sessions_{registry_, "postern_submission_sessions_total", "Client connections served."};
  metrics::Gauge open_{registry_, "postern_submission_open_sessions", "Client connections now."};
  metrics::CounterBy<TurnedAway> turned_away_{registry_,
                                              "postern_submission_turned_away_total",
                                              "reason",
                                              {"too_many", "too_many_from_network", "store_down"},
                                              "Connections refused before the banner. A rise of "
                                              "too_many_from_network alone: one client's mistake; of "
                                              "store_down: page someone."};
  metrics::CounterBy<Login> logins_{registry_,
                                    "postern_submission_logins_total",
                                    "result",
                                    {"ok", "failed", "locked_out", "unavailable"},
                                    "AUTH attempts that named an account. A rise of failed: somebody "
                                    "guesses; of unavailable: the directory."};
  metrics::Counter commands_refused_{registry_, "postern_submission_commands_refused_total",
                                     "Commands answered 4xx or 5xx."};
  metrics::Counter accepted_{registry_, "postern_submission_accepted_total",
                             "Messages answered 250 after their content, i.e. durable in the queue."};
  metrics::Counter octets_{registry_, "postern_submission_accepted_bytes_total",
                           "Content of those messages."};
  metrics::CounterBy<Rejected> rejected_{
      registry_,
      "postern_submission_rejected_total",
      "reason",
      {"content", "too_big", "rights", "limit", "store_down", "suspended", "held", "scanner"},
      "Messages answered 4xx or 5xx after their content. A rise of limit "
      "alone: one sender; of store_down: page "
      "someone."};
  metrics::Histogram commit_{registry_, "postern_submission_commit_seconds",
                             "From the end of a message's content until it was durable.",
                             metrics::kIoSeconds};
};

}  // namespace postern::submission
