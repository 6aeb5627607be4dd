// The signals: what each makes of an account's state. Strengths are in nats and meant to add up; where two
// signals would count one fact twice, they share a cap.
#include "guard/watch/watch.h"

#include <algorithm>
#include <cmath>

namespace postern::guard {
namespace {

constexpr std::int64_t kDay = 86400;

struct Window {
  Measure measure;
  const char* name;
  double least;  ///< what any person may do without a word
};
constexpr std::array<Window, 4> kNewRecipientWindows{{{Measure::NewRecipients10m, "10 minutes", 16},
                                                      {Measure::NewRecipients2h, "2 hours", 16},
                                                      {Measure::NewRecipients1d, "1 day", 16},
                                                      {Measure::NewRecipients7d, "1 week", 19}}};

// A person's largest day tells little of the largest to come, an application's a lot of its usual one: the tail
// of exceedances is steep for persons (kPersonTail), while who writes to hundreds of new people a day may well
// write to thousands.
constexpr double kPersonTail = 5;
constexpr double kBulkTail = 2.5;
constexpr double kPersonPerDay = 50;
constexpr double kBulkPerDay = 300;

constexpr double kLeastOutreach = 13.5;
constexpr double kLeastOutreachOfAWeek = 17;

constexpr double kVolumeCap = 2.8;       // with AllStrangers, from a network of the account's
constexpr double kStrangeVolumeCap = 5;  // from a strange one
constexpr double kNetworkCap = 4;
constexpr double kSeveralCap = 4;
constexpr double kBounceCap = 6;
constexpr double kManyBouncesCap = 12;
constexpr double kReportCap = 6;

/// Whether there is a habit to compare with. On the first day of an account of unknown class all is new.
bool settled(const AccountState& state) {
  return state.given != SenderClass::Unknown || state.last_seen - state.first_seen >= kDay;
}

/// The most new recipients of the past in a window; a longer window's is no less than a shorter one's implies.
double usual_new(const AccountState& state, std::size_t window) {
  const Habit& habit = state.habit;
  const std::int64_t age = state.last_seen - state.first_seen;
  const double days = std::clamp(static_cast<double>(age) / kDay, 0.0, 60.0);
  // In its first weeks an account meets everybody it writes to for the first time.
  const double young = 1 + std::exp(-days / 7);
  double usual = habit.past(Measure::NewRecipients10m);
  if (window >= 1) usual = std::max(usual, habit.past(Measure::NewRecipients2h));
  if (window >= 2) usual = std::max(usual * (days < 3 ? 2.5 : 1), habit.past(Measure::NewRecipients1d));
  if (window >= 3) usual = std::max(usual * (days < 21 ? 5 : 1.5), habit.past(Measure::NewRecipients7d));
  double least = kNewRecipientWindows[window].least;
  if (state.given == SenderClass::App) least = 200;
  if (state.given == SenderClass::Bulk) least = 3000;
  return std::max(usual, least * young);
}

/// 0: writes to people it knows. 1: writes to strangers all day long, as a shop does: for such an account a new
/// recipient is no news. The past and the messages of now have to agree, so an attack does not make one.
double like_application(const AccountState& state) {
  const double messages = state.habit.past(Measure::Messages1d);
  if (messages < 15 || state.active_days < 10) return 0;
  const double outreach = state.habit.past(Measure::Outreach1d) / messages;
  const auto ramp = [](double x, double from, double to) {
    return std::clamp((x - from) / (to - from), 0.0, 1.0);
  };
  return std::min(ramp(outreach, 0.5, 0.7), ramp(state.new_share, 0.6, 0.8));
}

double tail(const AccountState& state) {
  const double per_day = std::max(1.0, state.habit.past(Measure::NewRecipients1d));
  if (state.given == SenderClass::App || state.given == SenderClass::Bulk) return kBulkTail;
  const double bulk = std::clamp(std::log(per_day / kPersonPerDay) / std::log(kBulkPerDay / kPersonPerDay),
                                 like_application(state), 1.0);
  return kPersonTail + bulk * (kBulkTail - kPersonTail);
}

/// The same for moments of outreach, which long lists do not blow up.
double usual_outreach(const AccountState& state, bool week) {
  const Habit& habit = state.habit;
  const double days = std::clamp(static_cast<double>(state.last_seen - state.first_seen) / kDay, 0.0, 60.0);
  double usual = habit.past(Measure::Outreach1d) * (days < 3 ? 2 : 1);
  if (week) usual = std::max(usual * (days < 21 ? 4 : 1.5), habit.past(Measure::Outreach7d));
  double least = week ? kLeastOutreachOfAWeek : kLeastOutreach;
  if (state.given == SenderClass::App || state.given == SenderClass::Bulk) least = 200;
  return std::max(usual, least * (1 + std::exp(-days / 7)));
}

Evidence new_recipients(const AccountState& state) {
  const Habit& habit = state.habit;
  Evidence most{Signal::NewRecipients, 0, habit.current(Measure::NewRecipients1d), usual_new(state, 2),
                "1 day"};
  if (!settled(state)) return most;
  const auto consider = [&](double now, double usual, const char* window) {
    const double strength = now > usual ? tail(state) * std::log(now / usual) : 0;
    if (strength > most.strength) most = {Signal::NewRecipients, strength, now, usual, window};
  };
  for (std::size_t i = 0; i < kNewRecipientWindows.size(); ++i)
    consider(habit.current(kNewRecipientWindows[i].measure), usual_new(state, i),
             kNewRecipientWindows[i].name);
  // Many days without more than this make more than this rarer. (Lists come as they will.)
  const double days = std::min(1.0, state.active_days / 60.0) * (1 - like_application(state));
  const auto consider_outreach = [&](double now, double usual, const char* window) {
    const double own = std::clamp(1 - kLeastOutreach / usual, 0.0, 1.0);  // not the floor for all
    const double strength = now > usual ? tail(state) * (1 + 0.8 * days * own) * std::log(now / usual) : 0;
    if (strength > most.strength) most = {Signal::NewRecipients, strength, now, usual, window};
  };
  consider_outreach(habit.current(Measure::Outreach1d), usual_outreach(state, false), "1 day, one by one");
  consider_outreach(habit.current(Measure::Outreach7d), usual_outreach(state, true), "1 week, one by one");
  return most;
}

/// What part of the new recipients were written to from strange networks.
double strange_part(const AccountState& state) {
  const double fresh = state.habit.current(Measure::NewRecipients1d);
  return fresh <= 0 ? 0 : std::clamp(state.strange_new / fresh, 0.0, 1.0);
}

Evidence volume(const AccountState& state) {
  Evidence most{Signal::Volume, 0, 0, 0, ""};
  if (!settled(state)) return most;
  const auto consider = [&](double now, double usual, double weight, const char* what) {
    const double strength = now > usual ? weight * std::log(now / usual) : 0;
    if (strength > most.strength) most = {Signal::Volume, strength, now, usual, what};
  };
  const Habit& habit = state.habit;
  consider(state.largest, std::max(10.0, habit.past(Measure::MessageSize)), 2, "recipients in one message");
  consider(habit.current(Measure::Messages10m), std::max(6.0, habit.past(Measure::Messages10m)), 2,
           "messages in 10 minutes");
  consider(habit.current(Measure::Messages2h), std::max(10.0, habit.past(Measure::Messages2h)), 2,
           "messages in 2 hours");
  consider(habit.current(Measure::Messages1d), std::max(15.0, habit.past(Measure::Messages1d)), 2,
           "messages in 1 day");
  // Much mail to people the account knows is a busy day.
  const double fresh = state.mostly_new / std::max(1.0F, state.mostly_new + state.mostly_known);
  most.strength *= std::max(fresh, strange_part(state));
  // Who writes to strangers only shows the same fact again.
  most.strength *= 1 - 0.7 * like_application(state);
  return most;
}

Evidence all_strangers(const AccountState& state) {
  const double share = std::clamp<double>(state.new_share, 0.1, 0.65);
  const double seen = state.mostly_new + state.mostly_known;
  Evidence e{Signal::AllStrangers, 0, seen > 0 ? state.mostly_new / seen : 0, share, ""};
  if (!settled(state)) return e;
  // During an attack the owner goes on writing: not all messages go to strangers then.
  // Messages of one day are not independent of each other: six count as one.
  constexpr double kAlike = 6;
  e.strength = std::max(
      0.0, (state.mostly_new * std::log(0.65 / share) + state.mostly_known * std::log(0.35 / (1 - share))) /
               kAlike);
  return e;
}

Evidence strange_network(const AccountState& state) {
  Evidence e{Signal::StrangeNetwork, 0, state.strange_new, 0, ""};
  const double per_day = (state.new_networks + 0.5) / (std::min<double>(state.active_days, 120) + 1);
  e.strength = std::clamp(-std::log(per_day), 0.5, kNetworkCap) * strange_part(state) *
               std::min(1.0, state.strange_new / 3.0);
  return e;
}

Evidence several_networks(const AccountState& state) {
  Evidence e{Signal::SeveralNetworks, 0, state.strange_networks, 0, ""};
  const double usual = state.new_networks / (std::min<double>(state.active_days, 120) + 1);
  if (state.strange_networks > 1.5 + 3 * usual)
    e.strength = std::min(kSeveralCap, 1.3 * (state.strange_networks - 1 - 3 * usual)) * strange_part(state);
  return e;
}

Evidence odd_hours(const AccountState& state) {
  // From its own network it is the owner who works late, as a rule.
  return {Signal::OddHours, std::min<double>(state.odd_hours, 2.5) * (0.15 + 0.85 * strange_part(state)), 0,
          0, ""};
}

/// The bounces' evidence, seen against the other explanations.
double bounce_strength(const AccountState& state) {
  // One in a thousand days a relay or a firewall refuses everything. Then nobody gets through, while a bought list
  // has its living addresses.
  constexpr double kOutagePrior = -6.9;
  const double outage = state.outage + kOutagePrior;
  const double relay_is_well = std::max(outage, 0.0) + std::log1p(std::exp(-std::abs(outage)));
  // The evidence is that of the worst stretch of the day, and in much mail there is one by chance.
  constexpr double kStretch = 20;
  const double by_chance = std::log1p(state.habit.current(Measure::Messages1d) / kStretch);
  return std::max(0.0, state.bounce_evidence - relay_is_well - by_chance);
}

Evidence bounces(const AccountState& state) {
  Evidence e{Signal::Bounces, 0, state.recent_bounces, usual_bounces(state), ""};
  // Floors: one bounce is nobody's fault, two are a hint, a few in a row happen to who sends thousands. Alone
  // they hold an account only when they are many and a good part of the day's mail.
  // On its first day nothing is known of an account but this day, and its first mail may well go to an old list.
  const bool first_day = !settled(state);
  const double part = state.recent_bounces / std::max(1.0F, state.recent_answers);
  const bool many = state.recent_bounces >= (first_day ? 15 : 8) &&
                    part >= (first_day ? 0.15 : std::max(0.08, 3 * e.usual));
  const double hint = 1.5 * std::min(1.0, part / 0.1);
  const double cap = many ? kManyBouncesCap : state.recent_bounces > 2.5 ? kBounceCap : hint;
  if (state.recent_bounces > 1.5) e.strength = std::min(bounce_strength(state), cap);
  return e;
}

/// Anybody can complain, so a few complaints only bring a hold nearer. Many of them, and a part of all recipients that
/// no honest sender lives with (large providers bear 0.3 %), hold alone.
Evidence reports(const AccountState& state) {
  constexpr double kMany = 6;
  constexpr double kPart = 0.02;
  const double recipients =
      std::max({50.0, static_cast<double>(state.delivered), std::min(1000.0, 1.0 * state.messages)});
  const double part = state.complaints / recipients;
  Evidence e{Signal::Reports, std::min<double>(state.reported, kReportCap), state.complaints, part, ""};
  if (state.complaints >= kMany && part >= kPart)
    e.strength += std::min(2 + 2 * std::log(part / kPart) + 0.5 * state.complaints, kManyBouncesCap);
  return e;
}

}  // namespace

double usual_bounces(const AccountState& state) {
  constexpr double kBelief = 60;  // messages that the prior share is worth
  return std::clamp((state.bounced + 0.025 * kBelief) / (state.delivered + kBelief), 0.015, 0.3);
}

Evidences Watch::weigh(const AccountState& state) {
  Evidences out;
  out[Signal::NewRecipients] = new_recipients(state);
  out[Signal::Volume] = volume(state);
  out[Signal::AllStrangers] = all_strangers(state);
  out[Signal::StrangeNetwork] = strange_network(state);
  out[Signal::SeveralNetworks] = several_networks(state);
  out[Signal::OddHours] = odd_hours(state);
  out[Signal::Bounces] = bounces(state);
  out[Signal::Reports] = reports(state);

  const double cap = kVolumeCap + (kStrangeVolumeCap - kVolumeCap) * strange_part(state);
  double& much = out[Signal::Volume].strength;
  double& strangers = out[Signal::AllStrangers].strength;
  strangers = std::min(strangers, kVolumeCap);
  much = std::min(much, cap - strangers);
  return out;
}

double Watch::threshold(const AccountState& state) { return kHold * (1 + 0.25 * state.releases); }

}  // namespace postern::guard
