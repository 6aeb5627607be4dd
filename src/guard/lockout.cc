#include "guard/lockout.h"

#include "base/log.h"

#include <algorithm>

namespace postern::guard {
namespace {

constexpr std::chrono::hours kKnownFor{24 * 180};
constexpr std::chrono::hours kWriteAgainAfter{24};
constexpr std::chrono::minutes kSpreadTime{10};
constexpr std::chrono::milliseconds kFirstDelay{125};

std::string lower(std::string_view account) {
  std::string out(account);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::vector<net::Network> networks_of(const std::vector<std::string>& texts) {
  std::vector<net::Network> all;
  for (const std::string& text : texts) {
    if (const Result<net::Network> network = net::Network::parse(text)) all.push_back(*network);
  }
  return all;
}

}  // namespace

/// Whom an attempt counts against.
struct Lockout::Where {
  Where(const net::IpAddress& client, std::string_view account)
      : address(client.network(32, 64).text()),
        network(client.network(24, 48).text()),
        name(lower(account)),
        place(address + ' ' + name),
        near("net " + network + ' ' + name) {}
  std::string address;
  std::string network;
  std::string name;
  std::string place;  // the address for this account
  std::string near;   // the network for this account
};

Result<> LockoutOptions::check(std::string_view key) const {
  if (key != "allow") return {};
  for (const std::string& text : allow) {
    if (const Result<net::Network> network = net::Network::parse(text); !network) return network.error();
  }
  return {};
}

Result<> LockoutOptions::validate() const {
  if (first_lockout > longest_lockout)
    return fail(Errc::Malformed, "first_lockout is longer than longest_lockout");
  return {};
}

Lockout::Lockout(const LockoutOptions& options, const Clock& clock)
    : options_(options), allow_(networks_of(options.allow)), clock_(clock), since_(clock.steady_now()) {}

Result<std::unique_ptr<Lockout>> Lockout::open(const std::string& path, const LockoutOptions& options,
                                               const Clock& clock) {
  auto lockout = std::make_unique<Lockout>(options, clock);
  POSTERN_TRY(lockout->store_, UseStore::open(path));
  POSTERN_CHECK(lockout->store_->forget_before(clock.now() - kKnownFor));
  return lockout;
}

bool Lockout::locked(const Table& table, const std::string& key) const {
  const auto found = table.find(key);
  return found != table.end() && found->second.locked_until > clock_.steady_now();
}

void Lockout::replace(const LockoutOptions& options) {
  const std::lock_guard lock(mutex_);
  options_ = options;
  allow_ = networks_of(options.allow);
}

bool Lockout::allowed(const net::IpAddress& client) const {
  return std::any_of(allow_.begin(), allow_.end(),
                     [&client](const net::Network& network) { return network.contains(client); });
}

bool Lockout::is_known(const std::string& place) {
  if (remembered_.contains(place)) return true;
  if (store_ == nullptr) return false;
  const Result<std::string> octets = store_->read(place);
  if (!octets) log::Event(log::Level::Error, "lockout.not_read").with("why", octets.error().detail);
  if (!octets || octets->empty()) return false;
  if (remembered_.size() >= kMaxEntries) remembered_.clear();
  remembered_[place] = clock_.steady_now() - kWriteAgainAfter;
  return true;
}

// One row for a new place, or once a day for an old one; no sync.
void Lockout::remember(const std::string& place) {
  const SteadyTime now = clock_.steady_now();
  const auto found = remembered_.find(place);
  if (found != remembered_.end() && now - found->second < kWriteAgainAfter) return;
  if (remembered_.size() >= kMaxEntries) remembered_.clear();
  remembered_[place] = now;
  if (store_ == nullptr) return;
  if (const Result<> written = store_->write({{place, "1", clock_.now()}}); !written)
    log::Event(log::Level::Error, "lockout.not_written").with("why", written.error().detail);
}

Verdict Lockout::check(const net::IpAddress& client, std::string_view account) {
  const std::lock_guard lock(mutex_);
  if (allowed(client)) return Verdict::accept();
  const Where where(client, account);
  if (is_known(where.place)) {
    return locked(places_, where.place) ? Verdict::defer("too many failed logins for this account from here")
                                        : Verdict::accept();
  }
  if (locked(addresses_, where.address)) return Verdict::defer("too many failed logins from this address");
  if (locked(networks_, where.network)) return Verdict::defer("too many failed logins from this network");
  if (locked(accounts_, where.name) && !is_known(where.near))
    return Verdict::defer("too many failed logins for this account");
  return Verdict::accept();
}

void Lockout::make_room(Table& table) const {
  if (table.size() < kMaxEntries) return;
  const SteadyTime now = clock_.steady_now();
  std::erase_if(table, [now](const auto& entry) { return entry.second.locked_until <= now; });
  if (table.size() >= kMaxEntries) table.clear();
}

/// The number of failures, this one included.
std::uint32_t Lockout::add(Table& table, const std::string& key, std::uint32_t free) {
  make_room(table);
  const SteadyTime now = clock_.steady_now();
  Failures& failures = table[key];
  if (now - failures.last > options_.longest_lockout && failures.locked_until <= now) failures.count = 0;
  failures.last = now;
  ++failures.count;
  if (failures.count < free) return failures.count;
  const std::uint32_t doublings = std::min(failures.count - free, 20U);
  const std::chrono::seconds lockout = options_.first_lockout * (std::int64_t{1} << doublings);
  failures.locked_until = now + std::min(lockout, options_.longest_lockout);
  return failures.count;
}

void Lockout::note_address(bool first_failure) {
  const SteadyTime now = clock_.steady_now();
  if (now - since_ >= kSpreadTime) {
    failing_before_ = now - since_ < 2 * kSpreadTime ? new_failing_ : 0;
    new_failing_ = 0;
    since_ = now;
  }
  if (first_failure) ++new_failing_;
}

/// Many addresses that fail, each seldom: no table of addresses or accounts sees that.
bool Lockout::under_attack() {
  const bool attack = new_failing_ + failing_before_ >= options_.spread_networks;
  if (attack != told_) {
    log::Event(log::Level::Warning, attack ? "lockout.spread_attack" : "lockout.spread_attack_over")
        .with("addresses", new_failing_ + failing_before_);
  }
  told_ = attack;
  return attack;
}

std::chrono::milliseconds Lockout::delay_after(std::uint32_t failures) const {
  const std::uint32_t at_once = options_.free_failures / 2;
  if (failures <= at_once) return std::chrono::milliseconds{0};
  const std::uint32_t doublings = std::min(failures - at_once - 1, 20U);
  return std::min(kFirstDelay * (std::int64_t{1} << doublings), options_.longest_delay);
}

std::chrono::milliseconds Lockout::failed(const net::IpAddress& client, std::string_view account) {
  const std::lock_guard lock(mutex_);
  if (allowed(client)) return std::chrono::milliseconds{0};
  const Where where(client, account);
  if (is_known(where.place)) return delay_after(add(places_, where.place, options_.free_failures));
  note_address(!addresses_.contains(where.address));
  const bool attack = under_attack();
  const std::uint32_t here = add(addresses_, where.address, attack ? 1 : options_.free_failures);
  const std::uint32_t of_account = add(accounts_, where.name, options_.free_failures);
  (void)add(networks_, where.network, std::max(options_.network_failures, options_.free_failures));
  return delay_after(std::max(here, of_account));
}

void Lockout::succeeded(const net::IpAddress& client, std::string_view account) {
  const std::lock_guard lock(mutex_);
  const Where where(client, account);
  places_.erase(where.place);
  remember(where.place);
  remember(where.near);
}

}  // namespace postern::guard
