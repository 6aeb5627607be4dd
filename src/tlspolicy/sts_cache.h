#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "store/sqlite.h"
#include "tlspolicy/sts_policy.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace postern::tlspolicy {

/// A policy that was fetched, and until when it holds.
struct CachedPolicy {
  std::string domain;
  std::string id;    ///< of the TXT record at that time
  std::string text;  ///< as fetched; it was parsed before it came here
  TimePoint fetched_at;
  TimePoint expires_at;
};

/// The policies of domains, in a file: what was promised once holds until it expires, also over a restart
/// (RFC 8461 §3.3, §5.1).
///
/// Threads  safe from any thread; calls block for a disk access.
/// Durable  put() returns after a commit that survives kill -9; a power cut may take the last ones.
/// Limits   kMax domains; beyond that those that expire first are forgotten.
/// Errors   Unavailable, Corrupt.
class StsCache {
 public:
  static constexpr std::int64_t kMax = 200'000;

  /// ":memory:" for one that nobody else shares.
  /// A damaged file is set aside, and a new one begins.
  [[nodiscard]] static Result<std::unique_ptr<StsCache>> open(const std::string& path);

  /// The policy that holds at `now`, and notes that it is in use.
  [[nodiscard]] Result<std::optional<CachedPolicy>> find(const std::string& domain, TimePoint now);
  [[nodiscard]] Result<> put(const CachedPolicy& policy, TimePoint now);
  /// Some that were fetched before `before`, hold at `now` and were in use since `used_since`, oldest first.
  [[nodiscard]] Result<std::vector<CachedPolicy>> due(TimePoint before, TimePoint now, TimePoint used_since,
                                                      std::size_t most);
  /// Those that hold at `now`, by domain.
  [[nodiscard]] Result<std::vector<CachedPolicy>> all(TimePoint now, std::size_t most);

 private:
  [[nodiscard]] static Result<std::unique_ptr<StsCache>> open_file(const std::string& path);
  explicit StsCache(store::Database database) : database_(std::move(database)) {}
  std::mutex mutex_;
  store::Database database_;
};

}  // namespace postern::tlspolicy
