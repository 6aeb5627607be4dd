#include "tlspolicy/mta_sts.h"

#include "base/log.h"
#include "dns/txt_soon.h"

#include <utility>

namespace postern::tlspolicy {
namespace {

/// How often somebody who waits for another one's fetch looks whether it is over.
constexpr std::chrono::milliseconds kLookAgain{50};
/// Mail does not wait longer for a domain's announcement; what is cached holds without it.
constexpr std::chrono::seconds kTxtPatience{5};
constexpr std::size_t kRefreshBatch = 50;
/// Policies that nobody needed for so long are left to expire.
constexpr std::chrono::hours kInUse{30 * 24};

StsFinding problem(StsProblem kind, std::string why) {
  return {.policy = {}, .text = {}, .cached = false, .problem = kind, .why = std::move(why)};
}

/// "text/plain" (RFC 8461 §3.2), whatever parameters follow.
bool is_plain_text(std::string_view type) {
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  std::string lower(type);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower == "text/plain";
}

StsFinding read_response(const Result<net::HttpResponse>& response) {
  if (!response) {
    const Error& error = response.error();
    if (error.code == Errc::Exhausted) return problem(StsProblem::Invalid, error.detail);
    return problem(error.code == Errc::Denied ? StsProblem::WebPki : StsProblem::Fetch, error.detail);
  }
  if (response->status != 200)  // RFC 8461 §3.3: nothing else counts, and no redirect is followed
    return problem(StsProblem::Fetch, "HTTP status " + std::to_string(response->status));
  if (!is_plain_text(response->field("content-type")))
    return problem(StsProblem::Invalid, "the policy is not text/plain");
  Result<StsPolicy> policy = parse_sts_policy(response->body);
  if (!policy) return problem(StsProblem::Invalid, policy.error().detail);
  return {.policy = *std::move(policy), .text = response->body, .cached = false, .problem = {}, .why = {}};
}

/// What goes on to hold although something newer could not be had.
StsFinding still_holds(const CachedPolicy& cached, StsFinding because) {
  Result<StsPolicy> policy = parse_sts_policy(cached.text);
  if (!policy) return because;
  because.policy = *std::move(policy);
  because.text = cached.text;
  because.cached = true;
  return because;
}

}  // namespace

net::Task<StsFinding> MtaSts::policy_of(net::Loop& loop, dns::Resolver& resolver, std::string domain) {
  const Result<std::vector<std::string>> txt =
      co_await dns::txt_soon(loop, resolver, "_mta-sts." + domain, kTxtPatience);
  const std::optional<std::string> id = txt ? announced_id(*txt) : std::nullopt;
  const std::optional<CachedPolicy> known = co_await cached(loop, domain);
  if (!id) {  // RFC 8461 §5.1: what was promised holds, whatever DNS says now
    if (!known) co_return StsFinding{};
    co_return still_holds(*known, {});
  }
  if (known && known->id == *id) {
    StsFinding found = still_holds(*known, {});
    found.cached = false;
    co_return found;
  }
  StsFinding fetched = co_await fetch_once(loop, std::move(domain), *id);
  if (fetched.policy || !known) co_return fetched;
  co_return still_holds(*known, std::move(fetched));
}

net::Task<> MtaSts::refresh(net::Loop& loop) {
  const TimePoint now = clock_.now();
  auto ask = [this, now] { return cache_->due(now - kFresh, now, now - kInUse, kRefreshBatch); };
  Result<Result<std::vector<CachedPolicy>>> due = co_await disk_.run(loop, std::move(ask));
  if (!due || !*due) co_return;
  for (const CachedPolicy& policy : **due) {
    if (failed_lately(policy.domain, policy.id)) continue;
    const StsFinding fetched = co_await fetch_once(loop, policy.domain, policy.id);
    if (fetched.policy) continue;
    log::Event(log::Level::Warning, "tls.policy_not_refreshed")
        .with("domain", policy.domain)
        .with("why", fetched.why)
        .with("effect", "the cached policy holds until it expires");
  }
}

/// Fetches, unless somebody else is doing so: then what that one brings counts.
net::Task<StsFinding> MtaSts::fetch_once(net::Loop& loop, std::string domain, std::string id) {
  for (bool waited = false;; waited = true) {
    if (std::optional<StsFinding> failure = failed_lately(domain, id)) co_return *std::move(failure);
    bool ours = false;
    {
      const std::lock_guard lock(mutex_);
      if (!fetching_.contains(domain)) ours = fetching_.insert(domain).second;
    }
    if (ours && !waited) break;
    if (ours) {  // it has just ended
      const std::optional<CachedPolicy> known = co_await cached(loop, domain);
      if (!known || known->id != id) break;
      const std::lock_guard lock(mutex_);
      fetching_.erase(domain);
      StsFinding found = still_holds(*known, {});
      found.cached = false;
      co_return found;
    }
    co_await loop.sleep_until(std::chrono::steady_clock::now() + kLookAgain);
  }
  StsFinding found = co_await fetch(loop, domain, id);
  note(domain, id, found);
  const std::lock_guard lock(mutex_);
  fetching_.erase(domain);
  co_return found;
}

net::Task<StsFinding> MtaSts::fetch(net::Loop& loop, std::string domain, std::string id) {
  net::HttpRequest request{.method = "GET", .url = policy_url(domain), .fields = {}, .body = {}};
  const SteadyTime deadline = std::chrono::steady_clock::now() + kFetchTime;
  const Result<net::HttpResponse> response = co_await get_(loop, std::move(request), deadline);
  StsFinding found = read_response(response);
  if (metrics_ != nullptr) metrics_->fetch(found.policy ? Metrics::Fetch::Ok : Metrics::Fetch::Failed);
  if (!found.policy) {
    log::Event(log::Level::Info, "tls.policy_fetch_failed").with("domain", domain).with("why", found.why);
    co_return found;
  }
  log::Event(log::Level::Info, "tls.policy_fetched")
      .with("domain", domain)
      .with("mode", to_string(found.policy->mode))
      .with("id", id);
  const TimePoint now = clock_.now();
  CachedPolicy fresh{std::move(domain), std::move(id), found.text, now, now + found.policy->max_age};
  co_await keep(loop, std::move(fresh));
  co_return found;
}

net::Task<std::optional<CachedPolicy>> MtaSts::cached(net::Loop& loop, std::string domain) {
  auto ask = [this, domain, now = clock_.now()] { return cache_->find(domain, now); };
  Result<Result<std::optional<CachedPolicy>>> found = co_await disk_.run(loop, std::move(ask));
  if (found && *found) co_return **std::move(found);
  log::Event(log::Level::Error, "tls.policy_cache_failed")
      .with("domain", domain)
      .with("why", found ? found->error().detail : found.error().detail);
  co_return std::nullopt;
}

net::Task<> MtaSts::keep(net::Loop& loop, CachedPolicy policy) {
  auto put = [this, policy = std::move(policy), now = clock_.now()] { return cache_->put(policy, now); };
  const Result<Result<>> kept = co_await disk_.run(loop, std::move(put));
  if (kept && *kept) co_return;
  log::Event(log::Level::Error, "tls.policy_cache_failed")
      .with("why", kept ? kept->error().detail : kept.error().detail);
}

std::optional<StsFinding> MtaSts::failed_lately(const std::string& domain, const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = failures_.find(domain);
  if (found == failures_.end() || found->second.id != id) return std::nullopt;
  if (clock_.steady_now() >= found->second.until) {
    failures_.erase(found);
    return std::nullopt;
  }
  return problem(found->second.problem, found->second.why);
}

void MtaSts::note(const std::string& domain, const std::string& id, const StsFinding& finding) {
  const std::lock_guard lock(mutex_);
  if (finding.problem == StsProblem::None) {
    failures_.erase(domain);
    return;
  }
  if (failures_.size() >= kMaxFailures) failures_.clear();
  failures_[domain] = {id, clock_.steady_now() + kAfterFailure, finding.problem, finding.why};
}

}  // namespace postern::tlspolicy
