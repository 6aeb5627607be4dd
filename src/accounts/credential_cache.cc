#include "accounts/credential_cache.h"

#include "base/assert.h"

#include <sodium.h>

namespace postern::accounts {

CredentialCache::CredentialCache(const Clock& clock, std::chrono::seconds lifetime)
    : clock_(clock), lifetime_(lifetime) {
  POSTERN_ASSERT(sodium_init() >= 0);
  randombytes_buf(key_.data(), key_.size());
}

CredentialCache::Digest CredentialCache::digest(AccountId account, std::string_view stored_hash,
                                                std::string_view password) const {
  crypto_generichash_state state;
  Digest out{};
  const auto add = [&state](std::string_view part) {
    const std::uint64_t length = part.size();  // so that no two splits give the same input
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(&length), sizeof(length));
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(part.data()), part.size());
  };
  crypto_generichash_init(&state, key_.data(), key_.size(), out.size());
  add({reinterpret_cast<const char*>(&account.value), sizeof(account.value)});
  add(stored_hash);
  add(password);
  crypto_generichash_final(&state, out.data(), out.size());
  sodium_memzero(&state, sizeof(state));
  return out;
}

bool CredentialCache::contains(AccountId account, std::string_view stored_hash, std::string_view password) {
  const Digest wanted = digest(account, stored_hash, password);
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(account);
  if (found == entries_.end() || found->second.until <= clock_.steady_now()) return false;
  return sodium_memcmp(found->second.digest.data(), wanted.data(), wanted.size()) == 0;
}

void CredentialCache::remember(AccountId account, std::string_view stored_hash, std::string_view password) {
  const Entry entry{digest(account, stored_hash, password), clock_.steady_now() + lifetime_};
  const std::lock_guard lock(mutex_);
  if (entries_.size() >= kMaxEntries) entries_.clear();
  entries_[account] = entry;
}

void CredentialCache::forget(AccountId account) {
  const std::lock_guard lock(mutex_);
  entries_.erase(account);
}

}  // namespace postern::accounts
