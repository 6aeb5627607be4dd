#include "delivery/pace.h"

#include <algorithm>
#include <random>
#include <utility>

namespace postern::delivery {
namespace {

using std::chrono::milliseconds;

/// The furthest a turn is put off: after that the queue asks again.
constexpr milliseconds kFurthestTurn{15 * 60 * 1000};

/// `time` and up to a fifth more, so that what was stopped together does not come back together.
milliseconds jittered(milliseconds time, Rng& rng) {
  std::uniform_int_distribution<std::int64_t> more(0, time.count() / 5);
  return time + milliseconds{more(rng)};
}

}  // namespace

Pace::Pace(const Settings& settings)
    : settings_(settings),
      limit_(std::min(settings.first_connections, settings.max_connections)),
      tokens_(settings.rate.messages) {}

void Pace::adopt(const Settings& settings) {
  const std::lock_guard lock(mutex_);
  if (settings.rate != settings_.rate) {
    // Without a rate before, or in another window: as if nothing had been sent.
    const bool same_window = settings.rate.window == settings_.rate.window && settings_.rate.messages != 0;
    tokens_ = same_window ? std::min<double>(tokens_, settings.rate.messages) : settings.rate.messages;
    tokens_at_ = same_window ? tokens_at_ : SteadyTime{};
  }
  settings_ = settings;
  limit_ = std::min<double>(limit_, settings.max_connections);
}

std::optional<Pace::Pause> Pace::paused(SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  if (now >= pause_.until) return std::nullopt;
  return pause_;
}

bool Pace::take_connection(SteadyTime now, Urgency urgency) {
  const std::lock_guard lock(mutex_);
  if (now < pause_.until) return false;
  const std::uint32_t most = settings_.max_connections;
  auto allowed = static_cast<std::uint32_t>(limit_);
  // A dead site is asked by one; a site that lives always has a connection left for who is in a hurry.
  if (failures_ > 0) {
    allowed = 1;
  } else if (urgency == Urgency::Prompt) {
    allowed = std::min(most, allowed + 1);
  } else if (most > 1) {
    allowed = std::min(allowed, most - 1);
  }
  if (connections_ >= allowed) {
    wanted_ = now;
    return false;
  }
  wanted_ = {};
  ++connections_;
  return true;
}

void Pace::give_connection() {
  const std::lock_guard lock(mutex_);
  --connections_;
}

std::uint32_t Pace::connections() const {
  const std::lock_guard lock(mutex_);
  return connections_;
}

std::uint32_t Pace::limit() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::uint32_t>(limit_);
}

/// Brings the tokens up to date; when there will be one.
SteadyTime Pace::refill(SteadyTime now) {
  if (settings_.rate.messages == 0) return now;
  const double most = settings_.rate.messages;
  const double each = static_cast<double>(settings_.rate.window.count()) / most;  // ms per message
  if (tokens_at_ != SteadyTime{}) {
    const std::chrono::duration<double, std::milli> passed = now - tokens_at_;
    tokens_ = std::min(most, tokens_ + passed.count() / each);
  }
  tokens_at_ = now;
  return tokens_ >= 1.0 ? now : now + milliseconds{1 + static_cast<std::int64_t>((1.0 - tokens_) * each)};
}

SteadyTime Pace::take_message(SteadyTime now) {
  const std::lock_guard lock(mutex_);
  const SteadyTime when = refill(now);
  if (when == now && settings_.rate.messages != 0) tokens_ -= 1.0;
  return when;
}

SteadyTime Pace::next_message(SteadyTime now) {
  const std::lock_guard lock(mutex_);
  return refill(now);
}

bool Pace::wanted(SteadyTime now) const {
  constexpr milliseconds kMoment{500};
  const std::lock_guard lock(mutex_);
  return wanted_ != SteadyTime{} && now - wanted_ < kMoment;
}

void Pace::succeeded() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(failures_, 0) > 0) limit_ = std::max(1.0, limit_);
  limit_ = std::min<double>(settings_.max_connections, limit_ + (careful_ ? 1.0 / limit_ : 1.0));
}

void Pace::stumbled() {
  const std::lock_guard lock(mutex_);
  careful_ = true;
  limit_ = std::max(1.0, limit_ - 1.0);
}

void Pace::pause(const Attempt& why, SteadyTime now, Rng& rng) {
  milliseconds time = settings_.first_pause;
  for (std::uint32_t i = 1; i < failures_ && time < kLongestPause; ++i) time *= 2;
  time = std::min<milliseconds>(time, kLongestPause);
  time = jittered(std::max(time, why.outcome.wait), rng);
  if (now + time > pause_.until) pause_ = {now + time, why};
}

void Pace::pushed_back(const Attempt& why, SteadyTime now, Rng& rng) {
  const std::lock_guard lock(mutex_);
  if (now < pause_.until) return;  // the others of the same moment
  careful_ = true;
  limit_ = std::max(1.0, limit_ / 2);
  ++failures_;
  pause(why, now, rng);
}

bool Pace::unreachable(const Attempt& why, SteadyTime now, Rng& rng) {
  const std::lock_guard lock(mutex_);
  careful_ = true;
  if (connections_ > 0) {
    limit_ = std::min<double>(limit_, connections_);
    return false;
  }
  limit_ = 1;
  ++failures_;
  if (settings_.first_pause.count() > 0) pause(why, now, rng);
  return true;
}

void Pace::resume() {
  const std::lock_guard lock(mutex_);
  pause_ = {};
  turn_ = {};
}

milliseconds Pace::take_turn(SteadyTime now, milliseconds not_before, milliseconds each) {
  const std::lock_guard lock(mutex_);
  turn_ = std::max(turn_, now + not_before) + each;
  if (turn_ > now + std::max(not_before, kFurthestTurn)) turn_ = now + not_before + each;
  return std::chrono::ceil<milliseconds>(turn_ - now);
}

Pace::State Pace::state(SteadyTime now) {
  const std::optional<Pause> pause = paused(now);
  const std::lock_guard lock(mutex_);
  return {connections_, static_cast<std::uint32_t>(limit_), pause, refill(now)};
}

bool Pace::forgettable(SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  return connections_ == 0 && now >= pause_.until && failures_ == 0;
}

std::shared_ptr<Pace> Paces::of(const std::string& budget, const Pace::Settings& settings, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (const auto known = paces_.find(budget); known != paces_.end()) {
    known->second->adopt(settings);
    return known->second;
  }
  if (paces_.size() >= kMax) {
    std::erase_if(paces_, [now](const auto& entry) {
      return entry.second.use_count() == 1 && entry.second->forgettable(now);
    });
  }
  return paces_.emplace(budget, std::make_shared<Pace>(settings)).first->second;
}

std::optional<Pace::State> Paces::state(const std::string& budget, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  const auto known = paces_.find(budget);
  if (known == paces_.end()) return std::nullopt;
  return known->second->state(now);
}

void Paces::resume_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, pace] : paces_) pace->resume();
}

}  // namespace postern::delivery
