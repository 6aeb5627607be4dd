#pragma once

#include "base/clock.h"
#include "base/options.h"
#include "guard/verdict.h"
#include "net/endpoint.h"

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>

namespace postern::guard {

/// The table [lockout].
struct LockoutOptions {
  std::uint32_t free_failures = 5;
  std::chrono::seconds first_lockout{60};
  std::chrono::seconds longest_lockout{3600};

  static auto fields() {
    using std::chrono::seconds;
    return std::tuple{
        field("free_failures", &LockoutOptions::free_failures, 3, 1000, Reload::Live,
              "Failed logins without consequence; RFC 4954 §9 asks for at least 3."),
        field("first_lockout", &LockoutOptions::first_lockout, seconds{1}, seconds{86400}, Reload::Live,
              "The first lock-out; each further failure doubles it."),
        field("longest_lockout", &LockoutOptions::longest_lockout, seconds{1}, seconds{604800}, Reload::Live,
              "Where doubling stops."),
    };
  }
};

/// Failed logins per client network (an IPv4 address, an IPv6 /64) and per account name, with growing
/// lock-outs.
///
/// A network from which an account logged in successfully is a known place of that account: only failures of
/// that account at that place lock it there, and they lock nobody else. So guessing elsewhere, or a neighbour
/// behind the same address, does not stop the owner. Anywhere else the failures of the network and those of
/// the account count both. A success forgives the place, not the network: who has one password cannot use it
/// to go on guessing others. Failures are forgotten after the longest lock-out without a new one; a restart
/// forgets all.
/// Threads  safe from any thread.
/// Limits   kMaxEntries of each kind; when full, what is not locked is forgotten first.
class Lockout {
 public:
  static constexpr std::size_t kMaxEntries = 100'000;
  Lockout(const LockoutOptions& options, const Clock& clock) : options_(options), clock_(clock) {}

  /// Other options from now on; what is locked stays so.
  void replace(const LockoutOptions& options);

  [[nodiscard]] Verdict check(const net::IpAddress& client, std::string_view account);
  void failed(const net::IpAddress& client, std::string_view account);
  void succeeded(const net::IpAddress& client, std::string_view account);

 private:
  struct Failures {
    std::uint32_t count = 0;
    SteadyTime last{};
    SteadyTime locked_until{};
  };
  using Table = std::unordered_map<std::string, Failures>;
  void add(Table& table, const std::string& key);
  [[nodiscard]] bool locked(const Table& table, const std::string& key) const;
  void make_room(Table& table) const;

  LockoutOptions options_;
  const Clock& clock_;
  std::mutex mutex_;
  Table networks_;
  Table accounts_;
  Table known_places_;  // "network account": logged in from there since the start
};

}  // namespace postern::guard
