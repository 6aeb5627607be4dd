#pragma once

#include "base/clock.h"
#include "base/options.h"
#include "base/result.h"
#include "guard/use_store.h"
#include "guard/verdict.h"
#include "net/endpoint.h"
#include "net/network.h"

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace postern::guard {

/// The table [lockout].
struct LockoutOptions {
  std::uint32_t free_failures = 5;
  std::uint32_t network_failures = 20;
  std::uint32_t spread_networks = 50;
  std::chrono::seconds first_lockout{60};
  std::chrono::seconds longest_lockout{3600};
  std::chrono::milliseconds longest_delay{2000};
  std::vector<std::string> allow;

  static auto fields() {
    using std::chrono::milliseconds;
    using std::chrono::seconds;
    return std::tuple{
        field("free_failures", &LockoutOptions::free_failures, 3, 1000, Reload::Live,
              "Failed logins of an address or account without consequence; RFC 4954 §9 asks for at least 3."),
        field("network_failures", &LockoutOptions::network_failures, 3, 100'000, Reload::Live,
              "The same of a whole network, an IPv4 /24 or an IPv6 /48; never less than free_failures."),
        field("spread_networks", &LockoutOptions::spread_networks, 2, 100'000, Reload::Live,
              "Addresses that fail within ten minutes and make it an attack from everywhere: until it ends, "
              "one "
              "failure locks an address from which nobody logged in before."),
        field("first_lockout", &LockoutOptions::first_lockout, seconds{1}, seconds{86400}, Reload::Live,
              "The first lock-out; each further failure doubles it."),
        field("longest_lockout", &LockoutOptions::longest_lockout, seconds{1}, seconds{604800}, Reload::Live,
              "Where doubling stops."),
        field("longest_delay", &LockoutOptions::longest_delay, milliseconds{0}, milliseconds{30000},
              Reload::Live,
              "Past half of free_failures the answer to a failed login is held back, for a time that doubles "
              "up to this."),
        field("allow", &LockoutOptions::allow, Reload::Live,
              "Networks that are never locked out, such as [\"192.0.2.0/24\"]."),
    };
  }
  /// Malformed: an entry of `allow` is no network.
  [[nodiscard]] Result<> check(std::string_view key) const;
  /// Malformed: the first lock-out is longer than the longest.
  [[nodiscard]] Result<> validate() const;
};

/// Failed logins per client address (an IPv4 address, an IPv6 /64), per network (/24, /48) and per account name, with
/// growing lock-outs; and attacks that come from many addresses at once.
///
/// An address from which an account logged in successfully is a known place of that account: only failures of that
/// account at that place lock it there, and they lock nobody else. So guessing elsewhere, or a neighbour behind the
/// same address, does not stop the owner. Elsewhere in the network of a known place the account's lock-out does not
/// count, that of the address and the network do. Anywhere else all three count. A success forgives the place, not the
/// network: who has one password cannot use it to go on guessing others. Failures are forgotten after the longest
/// lock-out without a new one, and by a restart.
/// Threads  safe from any thread. A place that is not in memory is looked for in the file, some 20 us.
/// Durable  known places (places.db), for 180 days after the last login; at once against kill -9.
/// Limits   kMaxEntries of each kind in memory; when full, what is not locked is forgotten first.
class Lockout {
 public:
  static constexpr std::size_t kMaxEntries = 100'000;
  /// In memory only.
  Lockout(const LockoutOptions& options, const Clock& clock);
  /// Errors: Unavailable, Corrupt.
  [[nodiscard]] static Result<std::unique_ptr<Lockout>> open(const std::string& path,
                                                             const LockoutOptions& options,
                                                             const Clock& clock);

  /// Other options from now on; what is locked stays so.
  void replace(const LockoutOptions& options);

  [[nodiscard]] Verdict check(const net::IpAddress& client, std::string_view account);
  /// How long to hold the answer back. Names that exist and names that do not are counted alike.
  std::chrono::milliseconds failed(const net::IpAddress& client, std::string_view account);
  void succeeded(const net::IpAddress& client, std::string_view account);

 private:
  struct Failures {
    std::uint32_t count = 0;
    SteadyTime last{};
    SteadyTime locked_until{};
  };
  using Table = std::unordered_map<std::string, Failures>;
  struct Where;
  std::uint32_t add(Table& table, const std::string& key, std::uint32_t free);
  [[nodiscard]] bool locked(const Table& table, const std::string& key) const;
  void make_room(Table& table) const;
  [[nodiscard]] bool allowed(const net::IpAddress& client) const;
  [[nodiscard]] bool is_known(const std::string& place);
  void remember(const std::string& place);
  [[nodiscard]] std::chrono::milliseconds delay_after(std::uint32_t failures) const;
  [[nodiscard]] bool under_attack();
  void note_address(bool first_failure);

  LockoutOptions options_;
  std::vector<net::Network> allow_;
  const Clock& clock_;
  std::mutex mutex_;
  Table addresses_;
  Table networks_;
  Table accounts_;
  Table places_;  // "address account": logged in from there; failures at that place
  std::unordered_map<std::string, SteadyTime> remembered_;  // when a place was last written
  std::uint32_t new_failing_ = 0;  // addresses that failed since `since_`, and in the ten minutes before
  std::uint32_t failing_before_ = 0;
  SteadyTime since_{};
  bool told_ = false;
  std::unique_ptr<UseStore> store_;
};

}  // namespace postern::guard
