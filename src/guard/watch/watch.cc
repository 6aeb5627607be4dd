#include "guard/watch/watch.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cmath>

namespace postern::guard {
namespace {

constexpr std::int64_t kDay = 86400;
// What a new recipient counts for, by where it is. People write to all their colleagues at once now and then.
constexpr double kColleague = 0.3;
constexpr double kOwnDomain = 0.6;
constexpr double kKnownDomain = 0.92;  // the account writes to others there
constexpr double kFewNew = 8;          // new recipients without which nothing but bounces or reports holds
constexpr double kFewBounces = 5;
constexpr double kSuspectNetwork = 3;
constexpr std::int64_t kWarnAgain = kDay;
constexpr double kRefusesAll = 0.97;  // share of bounces when a next hop refuses everything
constexpr float kTookOne = 3.5F;      // nats
constexpr float kMostOutage = 40;

/// x fades to x/e in `seconds`.
void fade(float& x, double passed, double seconds) {
  if (x != 0) x *= static_cast<float>(std::exp(-passed / seconds));
}

template <std::size_t N>
void count(std::array<std::uint8_t, N>& histogram, std::size_t at) {
  if (histogram[at] == 255) {
    for (std::uint8_t& n : histogram) n = static_cast<std::uint8_t>(n / 2);
  }
  ++histogram[at];
}

std::size_t hour_of(std::int64_t time) {
  return static_cast<std::size_t>(((time % kDay) + kDay) % kDay / 3600);
}
std::size_t weekday_of(std::int64_t time) { return static_cast<std::size_t>((((time / kDay) % 7) + 7) % 7); }

/// How unusual this time is for the account, in nats; 0 while there is little to tell by.
double oddness(const AccountState& state, std::int64_t time) {
  double total = 0;
  for (const std::uint8_t n : state.hours) total += n;
  if (total < 30) return 0;
  const std::size_t hour = hour_of(time);
  const double near =
      state.hours[hour] + 0.5 * (state.hours[(hour + 1) % 24] + state.hours[(hour + 23) % 24]);
  double odd = std::max(0.0, std::log((total / 24) / ((near / 2) + 1)));
  double week = 0;
  for (const std::uint8_t n : state.weekdays) week += n;
  odd += std::max(0.0, std::log((week / 7) / (state.weekdays[weekday_of(time)] + 2)));
  return std::min(odd, 3.0);
}

void begin(AccountState& state, std::int64_t time) {
  if (state.seen()) return;
  state.first_seen = time;
  state.last_seen = time;
  state.habit.at = time;
  state.habit.turned = time;
}

void advance(AccountState& state, std::int64_t time) {
  begin(state, time);
  const auto passed = static_cast<double>(std::max<std::int64_t>(0, time - state.last_seen));
  const std::int64_t now = std::max(time, state.last_seen);
  state.habit.advance(now, now - state.first_seen);
  if (passed > 0) {
    fade(state.strange_new, passed, kDay);
    fade(state.strange_networks, passed, 7200);
    fade(state.mostly_new, passed, kDay);
    fade(state.mostly_known, passed, kDay);
    fade(state.odd_hours, passed, 7200);
    fade(state.bounce_evidence, passed, kDay);
    fade(state.recent_bounces, passed, kDay);
    fade(state.recent_answers, passed, kDay);
    fade(state.outage, passed, kDay);
    fade(state.largest, passed, 7200);
    fade(state.reported, passed, kDay);
    fade(state.complaints, passed, 3 * kDay);
    fade(state.new_networks, passed, 120 * kDay);
    fade(state.releases, passed, 30 * kDay);
  }
  state.last_seen = now;
}

/// How many of the recipients count as new.
double weight_of_new(const AccountState& state, std::span<const WatchedRecipient> recipients) {
  double sum = 0;
  for (const WatchedRecipient& to : recipients) {
    if (state.recipients.contains(to.address)) continue;
    double weight = state.domains.contains(to.domain) ? kKnownDomain : 1;
    if (to.nearness == Nearness::OwnDomain) weight = kOwnDomain;
    if (to.nearness == Nearness::Colleague) weight = kColleague;
    sum += weight;
  }
  const double seen_by_mistake = state.recipients.false_positives();
  return std::min(sum / (1 - seen_by_mistake), static_cast<double>(recipients.size()));
}

void learn_recipients(AccountState& state, std::span<const WatchedRecipient> recipients) {
  for (const WatchedRecipient& to : recipients) {
    state.recipients.add(to.address);
    state.domains.add(to.domain);
  }
}

/// The account's counters of what is going on.
void take_in(AccountState& state, const Surroundings& surroundings, const WatchedMessage& message,
             double fresh) {
  const auto size = static_cast<double>(message.recipients.size());
  state.habit.add(fresh, size);
  state.largest = std::max(state.largest, static_cast<float>(fresh));
  const double strange = state.networks.strangeness(message.place) /
                         (1 + std::min(3U, surroundings.accounts_at(message.place) / 3));
  state.strange_new += static_cast<float>(fresh * strange);
  if (strange > 0 && fresh > 0 && surroundings.suspect(message.place, message.time))
    state.reported = std::max(state.reported, static_cast<float>(kSuspectNetwork));
  (fresh >= size / 2 ? state.mostly_new : state.mostly_known) += 1;
  if (fresh > 0) {
    const double part = state.odd_hours == 0 ? 1 : 0.25;
    state.odd_hours += static_cast<float>(part * (oddness(state, message.time) - state.odd_hours));
  }
}

void learn(AccountState& state, Surroundings& surroundings, const WatchedMessage& message, double fresh,
           double score) {
  learn_recipients(state, message.recipients);
  const bool calm = fresh == 0 || score < Watch::kHold / 4;
  if (calm && state.networks.note_calm(message.place)) surroundings.note_trusted(message.place);
  count(state.hours, hour_of(message.time));
  count(state.weekdays, weekday_of(message.time));
  const bool mostly_new = fresh >= static_cast<double>(message.recipients.size()) / 2;
  const float pace = state.messages < 50 ? 1.0F / static_cast<float>(state.messages + 2) : 0.02F;
  state.new_share += pace * ((mostly_new ? 1.0F : 0.0F) - state.new_share);
  const auto day = static_cast<std::int32_t>(message.time / kDay);
  if (state.messages == 0 || day != state.last_day) ++state.active_days;
  state.last_day = day;
  ++state.messages;
  const bool first_day = state.given == SenderClass::Unknown && state.last_seen - state.first_seen < kDay;
  if (first_day) state.habit.accept_now();
}

/// Whether the minimum of mail stands behind a score.
bool enough(const AccountState& state) {
  return state.habit.current(Measure::NewRecipients7d) >= kFewNew || state.recent_bounces >= kFewBounces ||
         state.reported >= Watch::kHold / 2 || state.complaints >= kFewBounces;
}

/// The strange networks of the last hours are where the attack came from.
void blame_networks(const AccountState& state, Surroundings& surroundings, std::int64_t time) {
  constexpr std::int64_t kMinutes = 120;
  for (const Networks::Entry& entry : state.networks.entries()) {
    const Place place{entry.network, entry.surrounding};
    if (entry.calm >= Networks::kCalm || entry.last_minute < time / 60 - kMinutes) continue;
    if (surroundings.accounts_at(place) == 0) surroundings.note_attack(place, time);
  }
}

Judgement conclude(AccountState& state, Surroundings& surroundings, std::int64_t time) {
  Judgement out;
  out.evidences = Watch::weigh(state);
  out.score = out.evidences.score();
  if (state.held()) {
    out.action = Action::Held;
  } else if (out.score >= Watch::threshold(state) && enough(state)) {
    out.action = Action::Hold;
    state.held_since = std::max<std::int64_t>(1, time);
    blame_networks(state, surroundings, time);
  } else if (out.score >= Watch::kWarn && enough(state) &&
             (state.warned_at == 0 || time - state.warned_at >= kWarnAgain)) {
    out.action = Action::Warn;
    state.warned_at = std::max<std::int64_t>(1, time);
  }
  return out;
}

/// How much of a bounce speaks against the account, 0 to 1. A domain that refuses one recipient after the other and
/// takes none is at fault itself; lists that were bought bounce here and there, at domains that take the rest.
double domain_at_fault(AccountState& state, const Answered& answered) {
  const auto domain = static_cast<std::uint16_t>(answered.domain);
  if (domain == 0) return 1;
  auto& all = state.refusers;
  auto found = std::ranges::find(all, domain, &Refuser::domain);
  if (answered.bounced < answered.recipients) {
    if (found != all.end()) {
      std::move(found + 1, all.end(), found);
      all.back() = {};
    }
    return 1;
  }
  const Refuser before = found == all.end() ? Refuser{domain, 0} : *found;
  if (found == all.end()) --found;
  std::move_backward(all.begin(), found, found + 1);
  all.front() = {domain, static_cast<std::uint8_t>(std::min(255, before.times + 1))};
  return 1.0 / (1 + before.times);
}

}  // namespace

WatchedRecipient WatchedRecipient::of(std::string_view address) {
  const std::size_t at = address.rfind('@');
  const std::string_view domain = at == std::string_view::npos ? std::string_view{} : address.substr(at + 1);
  return {XXH3_64bits(address.data(), address.size()), XXH3_64bits(domain.data(), domain.size())};
}

Judgement Watch::judge(AccountState& state, Surroundings& surroundings, const WatchedMessage& message) {
  advance(state, message.time);
  const double fresh = weight_of_new(state, message.recipients);
  const auto minute = static_cast<std::uint32_t>(std::max<std::int64_t>(0, message.time) / 60);
  const double strange = state.networks.strangeness(message.place);
  if (state.networks.note(message.place, minute) && strange == 1) {
    state.new_networks += 1;
    state.strange_networks += 1;
  }
  std::uint32_t unseen = 0;
  for (const WatchedRecipient& to : message.recipients)
    unseen += state.recipients.contains(to.address) ? 0U : 1U;
  take_in(state, surroundings, message, fresh);
  Judgement out = conclude(state, surroundings, message.time);
  out.new_recipients = fresh;
  out.unseen = unseen;
  if (out.action != Action::Hold && out.action != Action::Held)
    learn(state, surroundings, message, fresh, out.score);
  return out;
}

Answered Answered::of(std::string_view address, bool bounced, bool fresh) {
  return {1, bounced ? 1.0 : 0.0, fresh, WatchedRecipient::of(address).domain};
}

Judgement Watch::delivered(AccountState& state, Surroundings& surroundings, std::int64_t time,
                           const Answered& answered) {
  advance(state, time);
  const double taken = answered.recipients - answered.bounced;
  const double bounced = answered.bounced * domain_at_fault(state, answered);
  // How much likelier bounces are when a bought list is mailed than when the owner writes.
  const double usual = usual_bounces(state);
  const double attack = std::clamp(5 * usual, 0.2, 0.6);
  const double weight = answered.fresh ? 1 : 0.3;
  const double evidence =
      weight * (bounced * std::log(attack / usual) + taken * std::log((1 - attack) / (1 - usual)));
  state.bounce_evidence = static_cast<float>(std::clamp(state.bounce_evidence + evidence, 0.0, 16.0));
  state.recent_bounces += static_cast<float>(bounced * (answered.fresh ? 1 : 0.5));
  state.recent_answers += static_cast<float>((bounced + taken) * (answered.fresh ? 1 : 0.5));
  // A next hop that refuses everything takes nobody: one acceptance speaks against it more than the sum can say.
  if (taken > 0) state.outage = std::max(0.0F, state.outage / 2 - kTookOne);
  if (taken <= 0) state.outage += static_cast<float>(answered.bounced * std::log(kRefusesAll / usual));
  state.outage = std::min(state.outage, kMostOutage);
  // What may be an attack is hardly learned, and least where there is no past to tell by.
  const bool first_day = state.last_seen - state.first_seen < kDay;
  const double trust = state.bounce_evidence < 3 ? 1 : first_day ? 0.05 : 0.25;
  const double forget = std::exp(-answered.recipients / 1000);
  state.bounced = static_cast<float>(state.bounced * forget + bounced * trust);
  state.delivered = static_cast<float>(state.delivered * forget + answered.recipients * trust);
  return bounced > 0 ? conclude(state, surroundings, time) : Judgement{};
}

Judgement Watch::report(AccountState& state, Surroundings& surroundings, std::int64_t time, Report report,
                        double amount) {
  advance(state, time);
  constexpr float kMost = 12;
  double strength = 0;
  switch (report) {
    case Report::ScannerSpam:
      strength = 1.5;
      break;
    case Report::Complaint:
      strength = 2;
      state.complaints += static_cast<float>(amount);
      break;
    case Report::FailedLoginsBefore:
      strength = 0.5 * std::log1p(amount);
      amount = 1;
      break;
  }
  state.reported = std::min(kMost, state.reported + static_cast<float>(strength * amount));
  return conclude(state, surroundings, time);
}

Judgement Watch::scanned(AccountState& state, Surroundings& surroundings, std::int64_t time,
                         double suspicion) {
  advance(state, time);
  constexpr double kWorthNoting = 0.4;  // rspamd adds its header at 6 of 15
  constexpr float kPace = 0.02F;
  constexpr float kMost = 12;
  const double seen = std::clamp(suspicion, 0.0, 1.0);
  const double more = seen >= kWorthNoting ? std::max(0.0, seen - state.usual_suspicion) : 0;
  state.reported = std::min(kMost, state.reported + static_cast<float>(1.5 * more));
  state.usual_suspicion += kPace * (static_cast<float>(seen) - state.usual_suspicion);
  return more > 0 ? conclude(state, surroundings, time) : Judgement{};
}

void Watch::release(AccountState& state, std::int64_t time) {
  advance(state, time);
  state.held_since = 0;
  state.warned_at = 0;
  state.releases += 1;
  state.habit.clear_now();
  state.strange_new = state.strange_networks = state.mostly_new = state.mostly_known = 0;
  state.odd_hours = state.bounce_evidence = state.recent_bounces = state.reported = state.largest = 0;
  state.recent_answers = state.complaints = state.outage = 0;
}

void Watch::forgive(AccountState& state, std::int64_t time) {
  advance(state, time);
  state.habit.accept_now();
  release(state, time);
}

}  // namespace postern::guard
