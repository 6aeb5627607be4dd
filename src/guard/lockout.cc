#include "guard/lockout.h"

#include <algorithm>

namespace postern::guard {
namespace {
std::string network_of(const net::IpAddress& client) { return client.network(32, 64).text(); }
std::string name_of(std::string_view account) {
  std::string out(account);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}
}  // namespace

bool Lockout::locked(const Table& table, const std::string& key) const {
  const auto found = table.find(key);
  return found != table.end() && found->second.locked_until > clock_.steady_now();
}

void Lockout::replace(const LockoutOptions& options) {
  const std::lock_guard lock(mutex_);
  options_ = options;
}

Verdict Lockout::check(const net::IpAddress& client, std::string_view account) {
  const std::lock_guard lock(mutex_);
  const std::string network = network_of(client);
  const std::string name = name_of(account);
  const std::string place = network + ' ' + name;
  if (known_places_.contains(place)) {
    return locked(known_places_, place) ? Verdict::defer("too many failed logins for this account from here")
                                        : Verdict::accept();
  }
  if (locked(networks_, network)) return Verdict::defer("too many failed logins from this network");
  if (locked(accounts_, name)) return Verdict::defer("too many failed logins for this account");
  return Verdict::accept();
}

void Lockout::make_room(Table& table) const {
  if (table.size() < kMaxEntries) return;
  const SteadyTime now = clock_.steady_now();
  std::erase_if(table, [now](const auto& entry) { return entry.second.locked_until <= now; });
  if (table.size() >= kMaxEntries) table.clear();
}

void Lockout::add(Table& table, const std::string& key) {
  make_room(table);
  const SteadyTime now = clock_.steady_now();
  Failures& failures = table[key];
  if (now - failures.last > options_.longest_lockout && failures.locked_until <= now) failures.count = 0;
  failures.last = now;
  ++failures.count;
  if (failures.count < options_.free_failures) return;
  const std::uint32_t doublings = std::min(failures.count - options_.free_failures, 20U);
  const std::chrono::seconds lockout = options_.first_lockout * (std::int64_t{1} << doublings);
  failures.locked_until = now + std::min(lockout, options_.longest_lockout);
}

void Lockout::failed(const net::IpAddress& client, std::string_view account) {
  const std::lock_guard lock(mutex_);
  const std::string network = network_of(client);
  const std::string name = name_of(account);
  const std::string place = network + ' ' + name;
  if (known_places_.contains(place)) return add(known_places_, place);
  add(networks_, network);
  add(accounts_, name);
}

void Lockout::succeeded(const net::IpAddress& client, std::string_view account) {
  const std::lock_guard lock(mutex_);
  make_room(known_places_);
  known_places_[network_of(client) + ' ' + name_of(account)] = {};
}

}  // namespace postern::guard
