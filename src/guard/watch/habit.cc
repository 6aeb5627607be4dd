#include "guard/watch/habit.h"

#include <algorithm>
#include <cmath>

namespace postern::guard {
namespace {

constexpr double kMinute = 60;
constexpr double kHour = 3600;
constexpr double kDay = 86400;
constexpr std::int64_t kMoment = 20;  // seconds
// Maturity: a turn every quarter of the account's age, within these. A value is one to two turns old when it
// becomes past.
constexpr std::int64_t kShortestTurn = 12 * 3600;
constexpr std::int64_t kLongestTurn = 4 * 86400;
constexpr double kYouth = 0.6;     // the half-life of that habit, in ages of the account
constexpr double kNoPerson = 200;  // new recipients a day
constexpr std::size_t kOfNewRecipients = 6;
static_assert(index(Measure::Outreach7d) + 1 == kOfNewRecipients);

}  // namespace

void Habit::advance(std::int64_t time, std::int64_t age) {
  const auto passed = static_cast<double>(std::max<std::int64_t>(0, time - at));
  if (passed > 0) {
    const auto fade = [passed](double constant) { return static_cast<float>(std::exp(-passed / constant)); };
    const float minutes = fade(10 * kMinute);
    const float hours = fade(2 * kHour);
    const float day = fade(kDay);
    const float week = fade(7 * kDay);
    const std::array<float, kWindows> factors{minutes, hours, day, week, day, week, minutes, hours, day};
    for (std::size_t i = 0; i < kWindows; ++i) now[i] *= factors[i];
    at = time;
  }
  const std::int64_t turn = std::clamp(age / 4, kShortestTurn, kLongestTurn);
  if (time - turned < turn) return;
  const bool both = time - turned >= 2 * turn;  // nothing happened for a turn: `recent` is past, too
  const auto after = [passed = static_cast<double>(time - turned)](double half_life) {
    return static_cast<float>(std::exp2(-passed / half_life));
  };
  const auto whole = static_cast<double>(kHalfLife.count());
  const float fade = after(whole);
  // In its first days an account writes to everybody for the first time: a person's habit of that is soon over.
  const bool person = most[index(Measure::NewRecipients1d)] < kNoPerson;
  const float first_days =
      person ? after(std::clamp(kYouth * static_cast<double>(age), 7 * kDay, whole)) : fade;
  for (std::size_t i = 0; i < kMeasures; ++i) {
    most[i] = std::max(most[i] * (i < kOfNewRecipients ? first_days : fade),
                       both ? std::max(older[i], recent[i]) : older[i]);
    older[i] = both ? 0 : recent[i];
    recent[i] = 0;
  }
  turned = time;
}

void Habit::add(double fresh, double size) {
  const bool outreach = fresh > 0 && (at - last_outreach >= kMoment || last_outreach == 0);
  if (outreach) last_outreach = at;
  // Records with a row per recipient: rows of one second are one message.
  const float sent = at > last_message || last_message == 0 ? 1 : 0;
  last_message = at;
  const auto added = static_cast<float>(fresh);
  const float moment = outreach ? static_cast<float>(std::min(1.0, 2 * fresh)) : 0;
  const std::array<float, kWindows> more{added, added, added, added, moment, moment, sent, sent, sent};
  for (std::size_t i = 0; i < kWindows; ++i) {
    now[i] += more[i];
    recent[i] = std::max(recent[i], now[i]);
  }
  float& largest = recent[index(Measure::MessageSize)];
  largest = std::max(largest, static_cast<float>(size));
}

void Habit::accept_now() {
  for (std::size_t i = 0; i < kMeasures; ++i) most[i] = std::max({most[i], older[i], recent[i]});
}

void Habit::clear_now() {
  now.fill(0);
  recent.fill(0);
  last_outreach = 0;
}

}  // namespace postern::guard
