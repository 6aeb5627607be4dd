#include "guard/limits.h"

#include "base/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <utility>

namespace postern::guard {
namespace {

constexpr std::chrono::hours kForgetAfter{24 * 90};  // known recipients; the longest window has 31 days
constexpr std::uint64_t kWorthAWarning = 5;

std::string domain_of(std::string_view address) {
  return std::string(address.substr(address.rfind('@') + 1));
}

std::uint64_t hash_of(std::string_view address) {
  std::string lower(address);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return XXH3_64bits(lower.data(), lower.size());
}

std::string account_key(AccountId id) { return "a" + std::to_string(id.value); }

std::uint64_t asked(Counted what, const Tally& tally) {
  switch (what) {
    case Counted::Messages:
      return 1;
    case Counted::Recipients:
      return tally.recipients;
    case Counted::FirstTime:
      return tally.first_time;
  }
  return 0;
}

const char* word_of(Counted what) {
  switch (what) {
    case Counted::Messages:
      return "message";
    case Counted::Recipients:
      return "recipient";
    case Counted::FirstTime:
      return "first-time recipient";
  }
  return "";
}

/// Slices end between seconds: later rather than too early.
std::string utc(TimePoint when) {
  const auto second = std::chrono::ceil<std::chrono::seconds>(when);
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(std::chrono::system_clock::to_time_t(second)));
}

}  // namespace

Result<std::unique_ptr<Limits>> Limits::open(const std::string& path, LimitConfig config, const Clock& clock,
                                             LimitMetrics* metrics) {
  POSTERN_TRY(auto store, UseStore::open(path));
  POSTERN_CHECK(store->forget_before(clock.now() - kForgetAfter));
  auto limits = std::make_unique<Limits>(std::move(config), clock);
  limits->store_ = std::move(store);
  limits->metrics_ = metrics;
  limits->saver_ = std::thread([raw = limits.get()] { raw->save_forever(); });
  return limits;
}

Limits::~Limits() {
  if (!saver_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  saver_.join();
}

void Limits::save_forever() {
  bool failing = false;
  for (;;) {
    bool last = false;
    {
      std::unique_lock lock(mutex_);
      last = wake_.wait_for(lock, kSaveEvery, [this] { return stopping_; });
    }
    const Result<> saved = save();
    if (!saved) {
      if (metrics_ != nullptr) metrics_->not_saved();
      if (!failing || last)
        log::Event(log::Level::Error, "limits.not_saved").with("why", saved.error().detail);
    }
    failing = !saved;
    if (last) return;
  }
}

Result<> Limits::save() {
  if (store_ == nullptr) return {};
  const std::lock_guard one_at_a_time(saving_);
  std::vector<UseStore::Row> rows;
  {
    const std::lock_guard lock(mutex_);
    if (dirty_.empty()) return {};
    rows.reserve(dirty_.size());
    for (std::string& key : dirty_) {
      Use& use = uses_.at(key);
      use.queued = false;
      use.saving = true;
      rows.push_back({key, use.encoded(), use.last});
    }
    dirty_.clear();
  }
  Result<> written = store_->write(rows);
  const std::lock_guard lock(mutex_);
  for (const UseStore::Row& row : rows) {
    Use& use = uses_.at(row.key);
    use.saving = false;
    if (written || std::exchange(use.queued, true)) continue;
    dirty_.push_back(row.key);
  }
  return written;
}

void Limits::replace(LimitConfig config) {
  const std::lock_guard lock(mutex_);
  config_ = std::move(config);
}

std::vector<Limits::Subject> Limits::subjects(const Sender& sender) const {
  using Kind = Subject::Kind;
  std::vector<Subject> all;
  const auto add = [&all](Kind kind, std::string key, const LimitSet& shared,
                          const std::vector<std::string>* own) {
    Subject subject{kind, std::move(key), {}, &shared};
    if (own != nullptr && !own->empty()) {
      // What the directory holds was read once already; if it is damaged, the class's limits stand.
      if (const Result<LimitOverrides> parsed = parse_overrides(*own)) {
        subject.own = parsed->over(shared);
        subject.shared = nullptr;
      }
    }
    all.push_back(std::move(subject));
  };
  static const LimitSet kNone;
  const std::string password_key = "p" + std::to_string(sender.app_password);
  const LimitSet& of_class = config_.classes.at(sender.kind);
  if (sender.app_password != 0 && sender.apart) {
    add(Kind::AppPassword, password_key, of_class, sender.app_password_limits.get());
  } else {
    add(Kind::Account, account_key(sender.account), of_class, sender.own_limits.get());
    if (sender.app_password != 0 && sender.app_password_limits && !sender.app_password_limits->empty())
      add(Kind::AppPassword, password_key, kNone, sender.app_password_limits.get());
  }
  if (sender.client) add(Kind::Client, "i" + sender.client->text(), config_.ip, nullptr);
  add(Kind::Domain, "d" + domain_of(sender.address), config_.domain, nullptr);
  add(Kind::All, "*", config_.all, nullptr);
  return all;
}

std::string Limits::name_of(const Subject& subject, const Sender& sender) {
  switch (subject.kind) {
    case Subject::Kind::Account:
      return "account " + sender.address;
    case Subject::Kind::AppPassword:
      return "this app password of " + sender.address;
    case Subject::Kind::Client:
      return "client " + subject.key.substr(1);
    case Subject::Kind::Domain:
      return "domain " + subject.key.substr(1);
    case Subject::Kind::All:
      return "this server";
  }
  return "";
}

Use& Limits::use_of(const std::string& key) {
  const auto found = uses_.find(key);
  if (found != uses_.end()) return found->second;
  make_room();
  Use use;
  if (store_ != nullptr) {
    Result<std::string> octets = store_->read(key);
    if (octets) use = Use::decoded(*octets);
    if (!octets) log::Event(log::Level::Error, "limits.not_read").with("why", octets.error().detail);
  }
  use.last = clock_.now();
  Use& kept = uses_.emplace(key, std::move(use)).first->second;
  if (metrics_ != nullptr) metrics_->in_memory(uses_.size());
  return kept;
}

void Limits::make_room() {
  if (uses_.size() < kMaxInMemory) return;
  if (store_ == nullptr) {
    const TimePoint before = clock_.now() - std::chrono::days{31};
    std::erase_if(uses_, [before](const auto& one) { return one.second.last < before; });
    return;
  }
  // Half of what is written goes, the oldest first: so this is paid for once in thousands of keys.
  std::vector<TimePoint> times;
  for (const auto& [key, use] : uses_) {
    if (!use.queued && !use.saving) times.push_back(use.last);
  }
  if (times.empty()) return;
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  std::erase_if(uses_, [before = *middle](const auto& one) {
    return !one.second.queued && !one.second.saving && one.second.last <= before;
  });
}

void Limits::touch(const std::string& key, Use& use) {
  use.last = clock_.now();
  if (store_ == nullptr || std::exchange(use.queued, true)) return;
  dirty_.push_back(key);
}

void Limits::count(const Sender& sender, std::string_view recipient, Tally& tally) {
  const std::lock_guard lock(mutex_);
  ++tally.recipients;
  const Use& use = use_of(account_key(sender.account));
  if (use.known == nullptr || !use.known->contains(hash_of(recipient))) ++tally.first_time;
}

Verdict Limits::check_locked(const std::vector<Subject>& subjects, const Sender& sender, const Tally& tally) {
  const TimePoint now = clock_.now();
  Verdict verdict;
  for (const Subject& subject : subjects) {
    for (const Counted what : kAllCounted) {
      const std::uint64_t more = asked(what, tally);
      if (more == 0) continue;
      for (const Limit& limit : subject.limits().of(what)) {
        RollingCount& count = use_of(subject.key).count(what, limit.window);
        const std::uint64_t used = count.total(now);
        if (used + more <= limit.count) continue;
        const std::string why = fmt::format("{} limit {} of {} reached: {} used", word_of(what),
                                            to_string(limit), name_of(subject, sender), used);
        if (more > limit.count) {
          const std::string alone = why + fmt::format("; this message alone has {}", more);
          return limit.action == LimitAction::Reject ? Verdict::reject(alone) : Verdict::defer(alone);
        }
        const TimePoint frees = count.when_at_most(limit.count - more);
        const std::string text = why + "; frees at " + utc(frees);
        if (limit.action == LimitAction::Reject) return Verdict::reject(text);
        if (limit.action == LimitAction::Defer || used + more > 2 * limit.count) return Verdict::defer(text);
        if (!verdict.not_before || *verdict.not_before < frees) verdict = {true, text, false, frees};
      }
    }
  }
  return verdict;
}

Verdict Limits::check(const Sender& sender, const Tally& tally) {
  const std::lock_guard lock(mutex_);
  Verdict verdict = check_locked(subjects(sender), sender, tally);
  if (!verdict.accepted && metrics_ != nullptr)
    metrics_->reached(verdict.permanent ? LimitAction::Reject : LimitAction::Defer);
  return verdict;
}

Limits::Taken Limits::take(const Sender& sender, const Tally& tally,
                           const std::vector<std::string>& recipients) {
  const std::lock_guard lock(mutex_);
  const std::vector<Subject> all = subjects(sender);
  Taken taken{check_locked(all, sender, tally), {}};
  if (metrics_ != nullptr && (!taken.verdict.accepted || taken.verdict.not_before)) {
    metrics_->reached(taken.verdict.accepted    ? LimitAction::Delay
                      : taken.verdict.permanent ? LimitAction::Reject
                                                : LimitAction::Defer);
  }
  if (!taken.verdict.accepted) return taken;
  const TimePoint now = clock_.now();
  for (const Subject& subject : all) {
    const bool told = subject.kind == Subject::Kind::Account || subject.kind == Subject::Kind::AppPassword;
    for (const Counted what : kAllCounted) {
      for (const Limit& limit : subject.limits().of(what)) {
        Use& use = use_of(subject.key);
        RollingCount& count = use.count(what, limit.window);
        count.add(now, asked(what, tally));
        touch(subject.key, use);
        const std::uint64_t used = count.total(now);
        if (used * 2 < limit.count) count.warned = false;
        if (!told || count.warned || limit.count < kWorthAWarning || used * 10 < limit.count * 8) continue;
        count.warned = true;
        taken.near.push_back({name_of(subject, sender), what, limit, used, count.when_at_most(used - 1),
                              count.when_at_most(0)});
        if (metrics_ != nullptr) metrics_->warned();
      }
    }
  }
  if (!recipients.empty()) {
    Use& use = use_of(account_key(sender.account));
    if (use.known == nullptr) use.known = std::make_unique<Use::Known>();
    for (const std::string& recipient : recipients) use.known->add(hash_of(recipient));
    touch(account_key(sender.account), use);
  }
  return taken;
}

void Limits::give_back(const Sender& sender, const Tally& tally) {
  const std::lock_guard lock(mutex_);
  for (const Subject& subject : subjects(sender)) {
    for (const Counted what : kAllCounted) {
      for (const Limit& limit : subject.limits().of(what)) {
        Use& use = use_of(subject.key);
        use.count(what, limit.window).subtract(clock_.now(), asked(what, tally));
        touch(subject.key, use);
      }
    }
  }
}

std::size_t Limits::in_memory() {
  const std::lock_guard lock(mutex_);
  return uses_.size();
}

std::vector<Allowance> Limits::allowances(const Sender& sender) {
  const std::lock_guard lock(mutex_);
  const TimePoint now = clock_.now();
  std::vector<Allowance> out;
  for (const Subject& subject : subjects(sender)) {
    for (const Counted what : kAllCounted) {
      for (const Limit& limit : subject.limits().of(what)) {
        RollingCount& count = use_of(subject.key).count(what, limit.window);
        const std::uint64_t used = count.total(now);
        out.push_back({name_of(subject, sender), what, limit, used,
                       used == 0 ? now : count.when_at_most(used - 1),
                       used == 0 ? now : count.when_at_most(0), subject.kind == Subject::Kind::AppPassword});
      }
    }
  }
  return out;
}

}  // namespace postern::guard
