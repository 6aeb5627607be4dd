#include "queue/leases.h"

#include <algorithm>
#include <utility>

namespace postern::queue {
namespace {

/// Takes the recipients out of `lease` for which `stays(i)` is false.
template <class Stays>
void trim(Lease& lease, Stays stays) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < lease.index.size(); ++i) {
    if (!stays(i)) continue;
    if (kept != i) {
      lease.envelope.recipients[kept] = std::move(lease.envelope.recipients[i]);
      lease.index[kept] = lease.index[i];
      lease.attempts[kept] = lease.attempts[i];
      lease.due[kept] = lease.due[i];
      lease.bounce[kept] = lease.bounce[i];
      lease.delay_reported[kept] = lease.delay_reported[i];
    }
    ++kept;
  }
  lease.envelope.recipients.resize(kept);
  lease.index.resize(kept);
  lease.attempts.resize(kept);
  lease.due.resize(kept);
  lease.bounce.resize(kept);
  lease.delay_reported.resize(kept);
}

}  // namespace

void Leases::Leased::leave(const std::string& domain, TimePoint due) {
  const auto [found, is_new] = left.try_emplace(domain, due);
  found->second = std::min(found->second, due);
}

void Leases::set_on_due(std::function<void()> on_due) {
  const std::lock_guard lock(mutex_);
  on_due_ = std::move(on_due);
}

void Leases::set_site_of(Schedule::SiteOf site_of) {
  const std::lock_guard lock(mutex_);
  schedule_.set_site_of(std::move(site_of));
}

/// Under the lock, so that nobody is called whom set_on_due() has replaced.
void Leases::tell() {
  if (schedule_.take_news() && on_due_) on_due_();
}

bool Leases::reserve(QueueId id) {
  const std::lock_guard lock(mutex_);
  return leased_.try_emplace(id).second;
}

bool Leases::admit(Lease& lease) {
  const std::lock_guard lock(mutex_);
  Leased& leased = leased_[lease.id];
  const bool account = schedule_.account_admits(lease.account);
  trim(lease, [&](std::size_t i) {
    const std::string& domain = lease.envelope.recipients[i].domain;
    if (account && schedule_.site_admits(domain)) return true;
    leased.leave(domain, lease.due[i]);
    return false;
  });
  if (lease.index.empty()) {
    for (const auto& [domain, due] : leased.left) schedule_.add(lease.account, domain, due);
    leased_.erase(lease.id);
    withdrawn_.erase(lease.id);
    return false;
  }
  leased.counted = true;
  leased.account = lease.account;
  leased.numbers = lease.index;
  for (const smtp::Recipient& recipient : lease.envelope.recipients) {
    std::string site = schedule_.site(recipient.domain);
    if (std::ranges::find(leased.sites, site) == leased.sites.end()) leased.sites.push_back(std::move(site));
  }
  schedule_.begin(leased.account, leased.sites);
  return true;
}

bool Leases::end(QueueId id, AccountId account, const std::vector<Waiting>& again) {
  const std::lock_guard lock(mutex_);
  const auto found = leased_.find(id);
  if (found == leased_.end()) return false;
  const Leased leased = found->second;
  if (leased.kept) {
    found->second.counted = false;
  } else {
    leased_.erase(found);
    for (const Waiting& waiting : again) schedule_.add(account, waiting.domain, waiting.due);
    for (const auto& [domain, due] : leased.left) schedule_.add(account, domain, due);
  }
  if (leased.counted) schedule_.end(leased.account, leased.sites);
  bool removed = leased.has_removed;
  if (const auto withdrawn = withdrawn_.find(id); withdrawn != withdrawn_.end()) {
    removed = removed || withdrawn->second == Operation::Remove;
    withdrawn_.erase(withdrawn);
  }
  tell();
  return removed;
}

void Leases::add(AccountId account, const std::vector<Waiting>& waiting) {
  const std::lock_guard lock(mutex_);
  for (const Waiting& w : waiting) schedule_.add(account, w.domain, w.due);
  tell();
}

std::optional<Schedule::Turn> Leases::next(TimePoint now) {
  const std::lock_guard lock(mutex_);
  return schedule_.next(now);
}

void Leases::seen(const Schedule::Turn& turn, std::optional<Position> reached,
                  std::optional<TimePoint> next_due) {
  const std::lock_guard lock(mutex_);
  schedule_.seen(turn, reached, next_due);
}

bool Leases::take(const Schedule::Turn& turn, const Position& row) {
  const std::lock_guard lock(mutex_);
  const auto [found, is_new] = leased_.try_emplace(QueueId{row.message});
  if (is_new) return true;
  Leased& leased = found->second;
  const auto number = static_cast<std::uint32_t>(row.number);
  if (!std::ranges::binary_search(leased.numbers, number))
    leased.leave(turn.domain, TimePoint{std::chrono::milliseconds{row.due}});
  return false;
}

Leases::Owner Leases::operate(QueueId id, Operation operation, bool in_part) {
  const std::lock_guard lock(mutex_);
  const auto [found, is_new] = leased_.try_emplace(id);
  if (is_new) return Owner::Operator;
  const auto before = withdrawn_.find(id);
  if (before != withdrawn_.end() && before->second == Operation::Remove) return Owner::Gone;
  if (in_part) {
    if (operation == Operation::Remove) found->second.has_removed = true;
  } else if (operation == Operation::Release) {
    withdrawn_.erase(id);
  } else if (operation != Operation::Retry) {
    withdrawn_[id] = operation;
  }
  return Owner::Dispatcher;
}

void Leases::look_again(QueueId id, const std::vector<std::string>& domains) {
  const std::lock_guard lock(mutex_);
  const auto found = leased_.find(id);
  if (found == leased_.end()) return;
  for (const std::string& domain : domains) found->second.leave(domain, kDueAlready);
}

bool Leases::keep(QueueId id) {
  const std::lock_guard lock(mutex_);
  return !std::exchange(leased_[id].kept, true);
}

bool Leases::withdrawn(QueueId id) const {
  const std::lock_guard lock(mutex_);
  if (withdrawn_.contains(id)) return true;
  const auto found = leased_.find(id);
  return found != leased_.end() && found->second.counted && schedule_.held(found->second.account);
}

bool Leases::leased(QueueId id) const {
  const std::lock_guard lock(mutex_);
  return leased_.contains(id);
}

void Leases::hold(AccountId account) {
  const std::lock_guard lock(mutex_);
  schedule_.hold(account);
}

void Leases::release(AccountId account) {
  const std::lock_guard lock(mutex_);
  schedule_.release(account);
  tell();
}

bool Leases::held(AccountId account) const {
  const std::lock_guard lock(mutex_);
  return schedule_.held(account);
}

}  // namespace postern::queue
