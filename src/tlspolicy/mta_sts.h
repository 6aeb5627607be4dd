#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "dns/resolver.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/offload.h"
#include "net/task.h"
#include "tlspolicy/metrics.h"
#include "tlspolicy/sts_cache.h"
#include "tlspolicy/sts_policy.h"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

namespace postern::tlspolicy {

/// Why no new policy could be had (the result types of RFC 8460 §4.3.2.2).
enum class StsProblem { None, Fetch, Invalid, WebPki };

/// What MTA-STS says about a domain now.
struct StsFinding {
  std::optional<StsPolicy>
      policy;           ///< what applies; nothing: the domain has no policy that we could learn of
  std::string text;     ///< of `policy`, as fetched
  bool cached = false;  ///< `policy` was fetched before, and is not the newest that is announced
  StsProblem problem = StsProblem::None;
  std::string why;  ///< with a problem: in words
};

/// MTA-STS for all domains (RFC 8461): asks DNS for the id, fetches the policy over verified HTTPS when it is new, and
/// goes on with what is cached when DNS or the web server fail.
///
/// Threads  policy_of() and refresh() from any loop; each policy is fetched by one of them at a time.
/// Durable  see StsCache.
/// Limits   a fetch ends after kFetchTime; after a failed one kAfterFailure passes before the same id is fetched
///          again (§3.3).
class MtaSts {
 public:
  static constexpr std::chrono::seconds kFetchTime{20};
  static constexpr std::chrono::minutes kAfterFailure{5};
  static constexpr std::chrono::hours kFresh{24};  ///< older policies that are in use are fetched anew

  /// Gets a page over verified HTTPS, at most kMaxPolicy octets of it; net::HttpClient::fetch() with its errors.
  using GetPage = std::function<net::Task<Result<net::HttpResponse>>(
      net::Loop& loop, net::HttpRequest request, SteadyTime deadline)>;

  /// `clock` and `metrics`, which may be nullptr, are borrowed.
  MtaSts(std::unique_ptr<StsCache> cache, GetPage get, const Clock& clock, Metrics* metrics = nullptr)
      : cache_(std::move(cache)),
        get_(std::move(get)),
        clock_(clock),
        metrics_(metrics),
        disk_(1, kMaxWaiting) {}

  /// The policy of mail to `domain` (A-labels).
  net::Task<StsFinding> policy_of(net::Loop& loop, dns::Resolver& resolver, std::string domain);
  /// Fetches anew what is cached, in use and older than kFresh: some of it, call again later (§3.3).
  net::Task<> refresh(net::Loop& loop);

 private:
  static constexpr std::size_t kMaxWaiting = 10'000;
  static constexpr std::size_t kMaxFailures = 10'000;
  struct Failure {
    std::string id;
    SteadyTime until;
    StsProblem problem;
    std::string why;
  };

  net::Task<StsFinding> fetch_once(net::Loop& loop, std::string domain, std::string id);
  net::Task<StsFinding> fetch(net::Loop& loop, std::string domain, std::string id);
  net::Task<std::optional<CachedPolicy>> cached(net::Loop& loop, std::string domain);
  net::Task<> keep(net::Loop& loop, CachedPolicy policy);
  [[nodiscard]] std::optional<StsFinding> failed_lately(const std::string& domain, const std::string& id);
  void note(const std::string& domain, const std::string& id, const StsFinding& finding);

  std::unique_ptr<StsCache> cache_;
  GetPage get_;
  const Clock& clock_;
  Metrics* const metrics_;
  std::mutex mutex_;
  std::set<std::string> fetching_;
  std::unordered_map<std::string, Failure> failures_;
  net::Offload disk_;  // last: its jobs use the cache
};

}  // namespace postern::tlspolicy
