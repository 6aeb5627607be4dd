#pragma once

#include "base/clock.h"
#include "base/ids.h"

#include <array>
#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace postern::accounts {

/// Logins that were right a moment ago, so that an application that logs in for each message does not pay
/// Argon2 each time.
///
/// Holds a keyed hash (BLAKE2b, key made at start) of account, stored hash and password: a changed password
/// no longer matches, and a memory dump without the key tells nothing.
/// Threads  safe from any thread.
/// Limits   kMaxEntries; when full it starts afresh.
class CredentialCache {
 public:
  static constexpr std::size_t kMaxEntries = 100'000;
  CredentialCache(const Clock& clock, std::chrono::seconds lifetime);

  [[nodiscard]] bool contains(AccountId account, std::string_view stored_hash, std::string_view password);
  void remember(AccountId account, std::string_view stored_hash, std::string_view password);

  void forget(AccountId account);

 private:
  using Digest = std::array<unsigned char, 32>;
  [[nodiscard]] Digest digest(AccountId account, std::string_view stored_hash,
                              std::string_view password) const;
  struct Entry {
    Digest digest{};
    SteadyTime until;
  };
  const Clock& clock_;
  const std::chrono::seconds lifetime_;
  std::array<unsigned char, 32> key_{};
  std::mutex mutex_;
  std::unordered_map<AccountId, Entry> entries_;
};

}  // namespace postern::accounts
