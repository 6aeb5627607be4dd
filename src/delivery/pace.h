#pragma once

#include "base/clock.h"
#include "delivery/fair_queue.h"
#include "delivery/message.h"
#include "delivery/provider.h"
#include "delivery/retry.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace postern::delivery {

/// How fast one site may be spoken to, from what it lets us see: shared by the sites of all loops that have one
/// budget.
///
/// Connections grow by one with each message taken, as long as nothing went wrong; a push-back halves them, and
/// from then on they grow by one per round. A site that says "not now" is left alone for a time that doubles, from
/// kFirstPause to kLongestPause; then one connection asks, and the others follow as mail is taken again.
///
/// Threads  safe from any thread.
/// See      docs/decisions/0008-sites-and-pace.md
class Pace {
 public:
  static constexpr std::chrono::seconds kLongestPause{30 * 60};

  struct Settings {
    std::uint32_t first_connections = 5;  ///< before anything is known
    std::uint32_t max_connections = 20;
    Rate rate;
    std::chrono::milliseconds first_pause{30'000};
  };
  explicit Pace(const Settings& settings);
  /// Other settings from now on; what was learnt stays.
  void adopt(const Settings& settings);

  /// Until when nothing is sent, and why.
  struct Pause {
    SteadyTime until;
    Attempt why;
  };
  [[nodiscard]] std::optional<Pause> paused(SteadyTime now) const;

  /// Whether one more connection may be opened; it counts until give_connection(). Prompt mail gets one more than
  /// the pace allows, so that it does not wait for bulk mail to finish.
  [[nodiscard]] bool take_connection(SteadyTime now, Urgency urgency);
  void give_connection();
  [[nodiscard]] std::uint32_t connections() const;
  [[nodiscard]] std::uint32_t limit() const;

  /// When the next message may be sent: `now`, in which case it is counted, or later.
  [[nodiscard]] SteadyTime take_message(SteadyTime now);
  /// The same without counting it.
  [[nodiscard]] SteadyTime next_message(SteadyTime now);
  /// Somebody was refused a connection a moment ago: who has an idle one gives it up.
  [[nodiscard]] bool wanted(SteadyTime now) const;

  /// A message was taken.
  void succeeded();
  /// A connection was lost in the middle: one less of them.
  void stumbled();
  /// "Not so fast": halves the connections and pauses, `why.outcome.wait` at least.
  void pushed_back(const Attempt& why, SteadyTime now, Rng& rng);
  /// No host could be reached. While other connections are up that only means "no more of them"; the answer is
  /// whether the site as a whole is to be left alone.
  [[nodiscard]] bool unreachable(const Attempt& why, SteadyTime now, Rng& rng);
  /// An operator wants attempts now.
  void resume();

  /// When a message comes up again that was sent away because `ahead` are before it, each taking `each`: what is
  /// sent away comes back one after the other, and not all at once.
  [[nodiscard]] std::chrono::milliseconds take_turn(SteadyTime now, std::chrono::milliseconds not_before,
                                                    std::chrono::milliseconds each);
  /// How things stand, for operators.
  struct State {
    std::uint32_t connections = 0;
    std::uint32_t limit = 0;  ///< of connections, as learnt
    std::optional<Pause> pause;
    SteadyTime next_message;
  };
  [[nodiscard]] State state(SteadyTime now);
  /// Nothing is known that would be lost with it.
  [[nodiscard]] bool forgettable(SteadyTime now) const;

 private:
  void pause(const Attempt& why, SteadyTime now, Rng& rng);
  SteadyTime refill(SteadyTime now);

  mutable std::mutex mutex_;
  Settings settings_;
  double limit_;
  bool careful_ = false;  // something went wrong: grow by one per round
  std::uint32_t connections_ = 0;
  std::uint32_t failures_ = 0;  // in a row
  Pause pause_{};
  double tokens_;
  SteadyTime tokens_at_{};
  SteadyTime turn_{};
  SteadyTime wanted_{};
};

/// The paces of all budgets, by name.
/// Threads  safe from any thread.
/// Limits   kMax; beyond that those nobody uses are forgotten.
class Paces {
 public:
  static constexpr std::size_t kMax = 50'000;
  /// The one called `budget`, made if there is none; it goes by `settings` from now on.
  [[nodiscard]] std::shared_ptr<Pace> of(const std::string& budget, const Pace::Settings& settings,
                                         SteadyTime now);
  /// That of `budget`; nullopt: nothing is known of it.
  [[nodiscard]] std::optional<Pace::State> state(const std::string& budget, SteadyTime now);
  void resume_all();

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Pace>> paces_;
};

}  // namespace postern::delivery
