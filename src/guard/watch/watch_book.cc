#include "guard/watch/watch_book.h"

#include "base/log.h"
#include "smtp/ascii.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace postern::guard {
namespace {

constexpr std::int64_t kSpareAgain = 86'400;  // seconds until the next word about a spared account

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += (out.empty() ? "" : "; ") + line;
  return out;
}

void log_failure(const Result<>& result) {
  if (!result) log::Event(log::Level::Error, "watch.not_written").with("why", result.error().detail);
}

std::string with_score(double score, const std::string& why) {
  return fmt::format("score {:.1f}: {}", score, why);
}

}  // namespace

std::string frozen_because(const std::vector<std::string>& reasons) {
  return std::string(kFrozenByWatch) + joined(reasons);
}

/// What somebody has to be told once the book's mutex is free.
struct WatchBook::News {
  std::optional<HeldAccount> hold;
  std::string state;  // encoded, of the hold
  std::string account;
  std::optional<WatchEvent> event;
};

Result<std::unique_ptr<WatchBook>> WatchBook::open(const std::string& path, const Clock& clock,
                                                   const WatchOptions& options, NearnessOf nearness_of) {
  POSTERN_TRY(std::unique_ptr<WatchStore> store, WatchStore::open(path));
  POSTERN_TRY(const std::vector<HeldAccount> holds, store->holds());
  std::unique_ptr<WatchBook> book(new WatchBook(std::move(store), clock, options, std::move(nearness_of)));
  for (const HeldAccount& hold : holds) book->holds_.emplace(hold.account, hold);
  book->surroundings_.restore(book->store_->surroundings());
  book->writer_ = std::thread([raw = book.get()] { raw->work(); });
  return book;
}

WatchBook::WatchBook(std::unique_ptr<WatchStore> store, const Clock& clock, WatchOptions options,
                     NearnessOf nearness_of)
    : store_(std::move(store)),
      clock_(clock),
      options_(std::move(options)),
      nearness_of_(std::move(nearness_of)) {}

WatchBook::~WatchBook() {
  if (!writer_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  writer_.join();
  log_failure(flush());
}

bool WatchBook::spared(const std::string& account, SenderClass stated) const {
  const std::shared_ptr<const WatchOptions> options = options_.now();
  return std::ranges::any_of(options->never_hold, [&](const std::string& entry) {
    return entry.find('@') == std::string::npos ? entry == to_string(stated)
                                                : smtp::to_lower(entry) == account;
  });
}

std::int64_t WatchBook::now() const {
  return std::chrono::duration_cast<std::chrono::seconds>(clock_.now().time_since_epoch()).count();
}

void WatchBook::make_room() {
  if (accounts_.size() < kMostInMemory) return;
  const auto idle = [](const Cached& entry) { return !entry.dirty && !entry.writing && !entry.holding; };
  const std::int64_t before = now() - 10;
  std::erase_if(accounts_, [&](const auto& a) { return idle(a.second) && a.second.used < before; });
  if (accounts_.size() >= kMostInMemory)
    std::erase_if(accounts_, [&](const auto& a) { return idle(a.second); });
}

WatchBook::Cached& WatchBook::cached(const std::string& account) {
  if (const auto found = accounts_.find(account); found != accounts_.end()) {
    found->second.used = now();
    return found->second;
  }
  make_room();
  Cached& entry = accounts_[account];
  entry.used = now();
  std::string why;
  if (std::optional<AccountState> state = store_->load(account, why)) entry.state = *std::move(state);
  if (!why.empty())
    log::Event(log::Level::Error, "watch.state_lost").with("account", account).with("why", why);
  // The table of holds decides: a state may be a second older.
  const auto held = holds_.find(account);
  entry.state.held_since =
      held == holds_.end() ? 0
                           : std::max<std::int64_t>(1, held->second.since.time_since_epoch().count() / 1000);
  return entry;
}

/// Under the mutex: what the judgement means for the book, and what is to be told afterwards.
WatchBook::News WatchBook::note(const std::string& account, Judgement& judged, SenderClass stated) {
  Cached& entry = accounts_.at(account);
  entry.dirty = true;
  News news;
  news.account = account;
  if (judged.action != Action::Hold && judged.action != Action::Warn) return news;
  const std::vector<std::string> reasons = in_words(judged.evidences);
  std::string kind = "warning";
  if (judged.action == Action::Hold && spared(account, stated)) {
    entry.state.held_since = 0;
    judged.action = Action::Warn;
    if (now() - entry.spared_at < kSpareAgain) return news;
    entry.spared_at = now();
    kind = "spared";
  }
  if (judged.action == Action::Hold) {
    kind = "hold";
    news.hold = HeldAccount{account, clock_.now(), judged.score, reasons, false};
    news.state = encode(entry.state);
    holds_[account] = *news.hold;
    entry.dirty = false;
    entry.holding = true;
  }
  news.event = WatchEvent{clock_.now(), kind, with_score(judged.score, joined(reasons))};
  return news;
}

/// A new hold is on disk before anybody is told of it.
void WatchBook::tell(const News& news) {
  if (news.hold) {
    const Result<> written = store_->put_hold(*news.hold, news.state);
    log_failure(written);
    const std::lock_guard lock(mutex_);
    if (const auto found = accounts_.find(news.account); found != accounts_.end()) {
      found->second.holding = false;
      found->second.dirty = found->second.dirty || !written;
    }
  }
  if (!news.event) return;
  log_failure(store_->add_event(news.account, *news.event));
  log::Event(log::Level::Warning, "watch." + news.event->kind)
      .with("account", news.account)
      .with("why", news.event->detail);
  if (news.hold && on_hold_) on_hold_(*news.hold);
  if (!news.hold && on_warning_) on_warning_();
}

Judgement WatchBook::judge(const Sending& sending) {
  std::vector<WatchedRecipient> recipients;
  recipients.reserve(sending.recipients.size());
  for (const smtp::Recipient& to : sending.recipients) {
    const std::string address = smtp::to_lower(to.address);
    recipients.push_back(WatchedRecipient::of(address));
    if (nearness_of_) recipients.back().nearness = nearness_of_(address, to.domain);
  }
  Judgement judged;
  News news;
  {
    const std::lock_guard lock(mutex_);
    Cached& entry = cached(sending.account);
    // What nobody said is learned from behaviour.
    entry.state.given = sending.stated == SenderClass::Person ? SenderClass::Unknown : sending.stated;
    // The wall clock may have been set back; an account's time does not.
    const std::int64_t time = std::max(now(), entry.state.seen() ? entry.state.last_seen : 0);
    judged = Watch::judge(entry.state, surroundings_, {time, Place::of(sending.client), recipients});
    news = note(sending.account, judged, sending.stated);
  }
  tell(news);
  return judged;
}

/// For what is told of an account that has sent before; while it is held nothing is added.
template <class Judge>
void WatchBook::judge_known(const std::string& account, Judge judge) {
  News news;
  {
    const std::lock_guard lock(mutex_);
    Cached& entry = cached(account);
    if (!entry.state.seen() || entry.state.held()) return;
    std::optional<Judgement> judged = judge(entry.state, std::max(now(), entry.state.last_seen));
    if (!judged) return;
    const SenderClass given = entry.state.given;
    news = note(account, *judged, given == SenderClass::Unknown ? SenderClass::Person : given);
  }
  tell(news);
}

void WatchBook::delivered(const std::string& account, std::span<const Answered> answers) {
  judge_known(account, [&](AccountState& state, std::int64_t time) -> std::optional<Judgement> {
    Judgement worst;
    for (const Answered& answer : answers) {
      const Judgement judged = Watch::delivered(state, surroundings_, time, answer);
      if (judged.action > worst.action) worst = judged;
      if (worst.action == Action::Hold) break;
    }
    return worst;
  });
}

void WatchBook::report(const std::string& account, Report report, double amount) {
  judge_known(account, [&](AccountState& state, std::int64_t time) -> std::optional<Judgement> {
    return Watch::report(state, surroundings_, time, report, amount);
  });
}

void WatchBook::scanned(const std::string& account, double suspicion) {
  judge_known(account, [&](AccountState& state, std::int64_t time) -> std::optional<Judgement> {
    return Watch::scanned(state, surroundings_, time, suspicion);
  });
}

Result<> WatchBook::complain(const std::string& account, std::uint32_t count) {
  {
    const std::lock_guard lock(mutex_);
    if (!cached(account).state.seen()) return fail(Errc::NotFound, account + " has not sent anything yet");
  }
  note_event(account, "complaint", std::to_string(count) + (count == 1 ? " report" : " reports"));
  report(account, Report::Complaint, count);
  return {};
}

void WatchBook::login_failed(const net::IpAddress& client, std::string_view name) {
  trail_.failed(Place::of(client), name, now());
}

void WatchBook::login_succeeded(const net::IpAddress& client, std::string_view name,
                                const std::string& account) {
  const Place place = Place::of(client);
  const std::uint32_t failures = trail_.succeeded(place, name, now());
  if (failures < kFewFailures) return;
  bool counted = false;
  judge_known(account, [&](AccountState& state, std::int64_t time) -> std::optional<Judgement> {
    if (state.networks.trusts(place)) return std::nullopt;  // at home people mistype
    counted = true;
    return Watch::report(state, surroundings_, time, Report::FailedLoginsBefore, failures);
  });
  if (counted)
    note_event(account, "failed logins",
               std::to_string(failures) + " from " + client.text() + " before one that was right");
}

bool WatchBook::is_held(const std::string& account) const {
  const std::lock_guard lock(mutex_);
  return holds_.contains(account);
}

std::vector<HeldAccount> WatchBook::held() const {
  std::vector<HeldAccount> out;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [account, hold] : holds_) out.push_back(hold);
  }
  std::ranges::stable_sort(out, {}, &HeldAccount::since);
  return out;
}

Result<WatchedAccount> WatchBook::show(const std::string& account) {
  POSTERN_TRY(std::vector<WatchEvent> events, store_->events(account));
  const std::lock_guard lock(mutex_);
  const AccountState& state = cached(account).state;
  const auto hold = holds_.find(account);
  if (!state.seen() && hold == holds_.end())
    return fail(Errc::NotFound, account + " has not sent anything yet");
  const Evidences evidences = Watch::weigh(state);
  WatchedAccount out{.account = account,
                     .hold = {},
                     .score = evidences.score(),
                     .threshold = Watch::threshold(state),
                     .reasons = in_words(evidences),
                     .messages = state.messages,
                     .active_days = state.active_days,
                     .releases = state.releases,
                     .events = std::move(events)};
  if (hold != holds_.end()) out.hold = hold->second;
  return out;
}

Result<> WatchBook::end_hold(const std::string& account, std::string state) {
  POSTERN_CHECK(store_->end_hold(account, state));
  const std::lock_guard lock(mutex_);
  holds_.erase(account);
  return {};
}

Result<> WatchBook::release(const std::string& account) {
  std::string octets;
  {
    const std::lock_guard lock(mutex_);
    if (!holds_.contains(account)) return fail(Errc::NotFound, account + " is not held");
    Cached& entry = cached(account);
    Watch::release(entry.state, now());
    for (const Networks::Entry& network : entry.state.networks.entries())
      surroundings_.forgive({network.network, network.surrounding});
    octets = encode(entry.state);
    entry.dirty = true;
  }
  POSTERN_CHECK(end_hold(account, std::move(octets)));
  note_event(account, "release", "by an operator");
  return {};
}

Result<> WatchBook::forgive(const std::string& account) {
  std::string octets;
  {
    const std::lock_guard lock(mutex_);
    Cached& entry = cached(account);
    if (!entry.state.seen()) return fail(Errc::NotFound, account + " has not sent anything yet");
    Watch::forgive(entry.state, now());
    for (const Networks::Entry& network : entry.state.networks.entries())
      surroundings_.forgive({network.network, network.surrounding});
    octets = encode(entry.state);
    entry.dirty = true;
  }
  POSTERN_CHECK(end_hold(account, std::move(octets)));
  note_event(account, "forgive", "by an operator: what it did counts as normal from now on");
  return {};
}

Result<> WatchBook::adopt(HeldAccount hold) {
  std::string octets;
  {
    const std::lock_guard lock(mutex_);
    Cached& entry = cached(hold.account);
    entry.state.held_since = std::max<std::int64_t>(1, hold.since.time_since_epoch().count() / 1000);
    octets = encode(entry.state);
    holds_[hold.account] = hold;
  }
  return store_->put_hold(hold, octets);
}

Result<> WatchBook::mark_told(const std::string& account) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = holds_.find(account); found != holds_.end()) found->second.told = true;
  }
  return store_->mark_told(account);
}

void WatchBook::note_event(const std::string& account, const std::string& kind, const std::string& detail) {
  log_failure(store_->add_event(account, {clock_.now(), kind, detail}));
}

Result<> WatchBook::flush() {
  WatchStore::Encoded states;
  std::string surroundings;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [account, entry] : accounts_) {
      if (!entry.dirty || entry.holding) continue;
      states.emplace_back(account, encode(entry.state));
      entry.dirty = false;
      entry.writing = true;
    }
    if (surroundings_.take_changed()) surroundings = surroundings_.octets();
  }
  if (states.empty() && surroundings.empty()) return {};
  const Result<> saved = store_->save(states, surroundings);
  const std::lock_guard lock(mutex_);
  for (const auto& [account, octets] : states) {
    Cached& entry = accounts_.at(account);
    entry.writing = false;
    entry.dirty = entry.dirty || !saved;
  }
  return saved;
}

std::size_t WatchBook::in_memory() const {
  const std::lock_guard lock(mutex_);
  return accounts_.size();
}

void WatchBook::forget_idle() {
  const std::lock_guard lock(mutex_);
  const std::int64_t before = now() - std::chrono::seconds(kIdle).count();
  std::erase_if(accounts_, [before](const auto& a) {
    const Cached& entry = a.second;
    return !entry.dirty && !entry.writing && !entry.holding && entry.used < before;
  });
}

void WatchBook::work() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kWriteEvery, [this] { return ending_; });
      if (ending_) return;
    }
    log_failure(flush());
    forget_idle();
  }
}

}  // namespace postern::guard
