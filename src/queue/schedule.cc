#include "queue/schedule.h"

#include <algorithm>
#include <utility>

namespace postern::queue {
namespace {
/// What an account or a site may have in delivery however little room there is.
constexpr std::size_t kFew = 4;
/// Messages taken in one turn: a question to the file is dearer than a row.
constexpr std::size_t kTurn = 8;
}  // namespace

void Schedule::Line::push(const Key& key) {
  std::deque<Key>& line = of_account[key.account];
  if (line.empty()) turns.push_back(key.account);
  line.push_back(key);
}

std::optional<Schedule::Key> Schedule::Line::pop() {
  if (turns.empty()) return std::nullopt;
  const auto found = of_account.find(turns.front());
  turns.pop_front();
  const Key key = found->second.front();
  found->second.pop_front();
  if (found->second.empty()) {
    of_account.erase(found);
  } else {
    turns.push_back(key.account);
  }
  return key;
}

// ---- limits

std::size_t Schedule::room(std::size_t active) const {
  const std::size_t limit = std::max(kFew, capacity_ - std::min(total_, capacity_));
  return limit - std::min(active, limit);
}

std::size_t Schedule::site_room(const std::string& site) const {
  const auto found = sites_.find(site);
  return room(found == sites_.end() ? 0 : found->second.active);
}

bool Schedule::account_admits(AccountId account) const {
  if (held_.contains(account)) return false;
  const auto found = accounts_.find(account);
  return room(found == accounts_.end() ? 0 : found->second.active) > 0;
}

bool Schedule::site_admits(std::string_view domain) const { return site_room(site(domain)) > 0; }

std::string Schedule::site(std::string_view domain) const {
  return site_of_ ? site_of_(domain) : std::string(domain);
}

// ---- flows

Schedule::Key Schedule::key_of(AccountId account, std::string_view domain) {
  return {account, &domains_.try_emplace(std::string(domain), 0).first->first};
}

void Schedule::add(AccountId account, std::string_view domain, TimePoint at) {
  const Key key = key_of(account, domain);
  const auto [found, is_new] = flows_.try_emplace(key);
  Flow& flow = found->second;
  if (is_new) ++domains_.find(*key.domain)->second;
  const Position before{at.time_since_epoch().count(), INT64_MIN, 0};
  switch (flow.state) {
    case State::Waiting:
      if (is_new || at < flow.due) wait(key, flow, at);
      break;
    case State::Ready:
    case State::Parked:
      flow.after = std::min(flow.after, before);
      break;
    case State::Looked:
      flow.again = true;
      break;
  }
}

void Schedule::wait(const Key& key, Flow& flow, TimePoint due) {
  flow.state = State::Waiting;
  flow.due = due;
  flow.after = {};
  later_.push({due, key});
  if (due <= last_now_) news_ = true;
}

void Schedule::make_ready(const Key& key, Flow& flow) {
  flow.state = State::Ready;
  Account& account = accounts_[key.account];
  account.ready.push_back(key);
  give_turn(key.account, account);
}

void Schedule::give_turn(AccountId id, Account& account) {
  if (account.in_turn || account.ready.empty() || held_.contains(id) || room(account.active) == 0) return;
  account.in_turn = true;
  turns_.push_back(id);
  news_ = true;
}

void Schedule::forget(const Key& key) {
  flows_.erase(key);
  const auto domain = domains_.find(*key.domain);
  if (--domain->second == 0) domains_.erase(domain);
}

void Schedule::forget_if_idle(AccountId id) {
  const auto found = accounts_.find(id);
  if (found == accounts_.end()) return;
  const Account& account = found->second;
  if (account.active == 0 && account.ready.empty() && !account.in_turn) accounts_.erase(found);
}

// ---- turns

std::optional<Schedule::Turn> Schedule::next(TimePoint now) {
  last_now_ = now;
  while (!later_.empty() && later_.top().due <= now) {
    const Later later = later_.top();
    later_.pop();
    // A flow that is gone may have taken its domain's name with it; the key is compared, not followed.
    const auto flow = flows_.find(later.key);
    if (flow != flows_.end() && flow->second.state == State::Waiting && flow->second.due == later.due)
      make_ready(later.key, flow->second);
  }
  while (!turns_.empty()) {
    const AccountId id = turns_.front();
    turns_.pop_front();
    Account& account = accounts_.at(id);
    account.in_turn = false;
    const std::size_t room_of_account = room(account.active);
    if (account.ready.empty() || room_of_account == 0 || held_.contains(id)) continue;
    const Key key = account.ready.front();
    account.ready.pop_front();
    give_turn(id, account);
    Flow& flow = flows_.at(key);
    const std::string name = site(*key.domain);
    const std::size_t room_of_site = site_room(name);
    if (room_of_site == 0) {
      flow.state = State::Parked;
      sites_[name].parked.push(key);
      forget_if_idle(id);
      continue;
    }
    flow.state = State::Looked;
    // Each message taken leaves less room for the next; half of it is where they meet.
    const std::size_t room_now = (std::min(room_of_account, room_of_site) + 1) / 2;
    return Turn{id, *key.domain, flow.after, std::min(kTurn, room_now)};
  }
  news_ = false;
  return std::nullopt;
}

void Schedule::seen(const Turn& turn, std::optional<Position> reached, std::optional<TimePoint> next_due) {
  const Key key = key_of(turn.account, turn.domain);
  const auto found = flows_.find(key);
  if (found == flows_.end() || found->second.state != State::Looked) return;
  Flow& flow = found->second;
  if (std::exchange(flow.again, false)) {
    flow.after = {};
    make_ready(key, flow);
  } else if (reached) {
    flow.after = *reached;
    make_ready(key, flow);
  } else if (next_due) {
    wait(key, flow, *next_due);
  } else {
    forget(key);
    forget_if_idle(turn.account);
  }
  // A turn that found less than there was room for leaves the rest to those who wait for the site.
  unpark(site(turn.domain));
}

void Schedule::release(AccountId account) {
  if (held_.erase(account) == 0) return;
  const auto found = accounts_.find(account);
  if (found != accounts_.end()) give_turn(account, found->second);
}

// ---- what is in delivery

void Schedule::begin(AccountId account, const std::vector<std::string>& sites) {
  ++total_;
  ++accounts_[account].active;
  for (const std::string& name : sites) ++sites_[name].active;
}

void Schedule::end(AccountId id, const std::vector<std::string>& sites) {
  --total_;
  Account& account = accounts_.at(id);
  --account.active;
  give_turn(id, account);
  for (const std::string& name : sites) {
    --sites_.at(name).active;
    unpark(name);
  }
  forget_if_idle(id);
}

void Schedule::unpark(const std::string& name) {
  const auto found = sites_.find(name);
  if (found == sites_.end()) return;
  Site& site = found->second;
  // Some room at once, so that one question to the file finds more than one message.
  const std::size_t free = room(site.active);
  if (site.active > 0 && free < std::min(kTurn, site.active)) return;
  for (std::size_t i = 0; i < free || site.active == 0; ++i) {
    const std::optional<Key> key = site.parked.pop();
    if (!key) break;
    make_ready(*key, flows_.at(*key));
  }
  if (site.active == 0 && site.parked.turns.empty()) sites_.erase(found);
}

}  // namespace postern::queue
