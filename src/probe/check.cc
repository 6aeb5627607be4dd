#include "probe/check.h"

#include "probe/mta_sts.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <thread>

namespace postern::probe {
namespace {

constexpr std::size_t kMostThreads = 32;
constexpr std::chrono::milliseconds kDnssecWait{4000};

SteadyTime now() { return std::chrono::steady_clock::now(); }

/// One place of CheckSeen and what to do to fill it.
struct Job {
  EndpointSeen* place;
  std::string host;
  net::Endpoint endpoint;
};

/// Serialises calls to the Watcher.
class Reporter {
 public:
  explicit Reporter(Watcher& watcher) : watcher_(watcher) {}
  void step(const EndpointSeen& seen, Step step) {
    const std::lock_guard lock(mutex_);
    watcher_.step_done(seen, step);
  }
  void dns(const DnsSeen& seen) {
    const std::lock_guard lock(mutex_);
    watcher_.dns_done(seen);
  }

 private:
  std::mutex mutex_;
  Watcher& watcher_;
};

struct HostPlan {
  std::string host;
  std::vector<std::uint16_t> ports;
};

std::vector<HostPlan> plan(const Target& target, const std::optional<DomainSeen>& domain) {
  if (!domain) return {{target.host, target.ports}};
  std::vector<HostPlan> out;
  for (const ServiceHost& found : domain->hosts) {
    auto at = std::find_if(out.begin(), out.end(), [&](const HostPlan& p) { return p.host == found.host; });
    if (at == out.end()) at = out.insert(out.end(), HostPlan{found.host, {}});
    if (std::find(at->ports.begin(), at->ports.end(), found.port) == at->ports.end())
      at->ports.push_back(found.port);
  }
  return out;
}

DnsSeen addresses_of(const std::string& host, const Target& target, const NameOptions& names,
                     SteadyTime deadline) {
  if (target.addresses.empty()) return resolve(host, names, deadline);
  DnsSeen given;
  given.name = host;
  given.ips = target.addresses;
  return given;
}

void keep_family(DnsSeen& dns, Family family) {
  if (family == Family::Any) return;
  std::erase_if(dns.ips, [&](const net::IpAddress& ip) { return ip.is_v6() != (family == Family::V6); });
  if (!dns.ips.empty() || (dns.outcome != DnsOutcome::Found && dns.outcome != DnsOutcome::NotNeeded)) return;
  dns.outcome = DnsOutcome::NoAddress;
  dns.error = family == Family::V6 ? "no IPv6 address" : "no IPv4 address";
}

void run_jobs(const std::vector<Job>& jobs, const CheckOptions& options, const Handshaker& tls,
              SteadyTime deadline, const OnStep& on_step) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < jobs.size(); i = next++) {
      *jobs[i].place = check_endpoint(jobs[i].host, jobs[i].endpoint, options, tls, deadline, on_step);
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < std::min(jobs.size(), kMostThreads); ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
}

void look_at_dane(HostSeen& host, const NameOptions& names, SteadyTime deadline) {
  if (host.dns.dnssec != DnssecState::Secure) return;
  for (EndpointSeen& endpoint : host.endpoints) {
    if (endpoint.tls.outcome != TlsOutcome::Done) continue;
    endpoint.dane = check_dane(host.dns.name, endpoint.port, endpoint.tls, names, deadline);
  }
}

}  // namespace

CheckSeen run_check(const Target& target, const CheckOptions& options, const NameOptions& names,
                    const Handshaker& tls, std::chrono::milliseconds timeout, Watcher& watcher) {
  const SteadyTime start = now();
  const SteadyTime deadline = start + timeout;
  Reporter reporter(watcher);
  CheckSeen seen;
  seen.started = std::chrono::time_point_cast<TimePoint::duration>(std::chrono::system_clock::now());
  if (!target.from_domain.empty()) {
    seen.domain = find_hosts(target.from_domain, names, deadline);
    look_at_mta_sts(*seen.domain, names, tls, deadline);
  }
  const std::vector<HostPlan> hosts = plan(target, seen.domain);
  seen.hosts.resize(hosts.size());
  std::vector<Job> jobs;
  std::vector<std::future<std::pair<DnssecState, std::string>>> dnssec;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    HostSeen& host = seen.hosts[i];
    host.dns = addresses_of(hosts[i].host, target, names, deadline);
    keep_family(host.dns, names.family);
    reporter.dns(host.dns);
    const bool look = host.dns.outcome == DnsOutcome::Found;
    dnssec.push_back(std::async(std::launch::async, [&names, look, name = host.dns.name, deadline] {
      std::pair<DnssecState, std::string> out{DnssecState::NotChecked, {}};
      if (look) out.first = dnssec_state(name, names, std::min(deadline, now() + kDnssecWait), out.second);
      return out;
    }));
    host.endpoints.resize(host.dns.ips.size() * hosts[i].ports.size());
    std::size_t place = 0;
    for (const std::uint16_t port : hosts[i].ports) {
      for (const net::IpAddress& ip : host.dns.ips) {
        jobs.push_back({&host.endpoints[place++], hosts[i].host, {ip, port}});
      }
    }
  }
  run_jobs(jobs, options, tls, deadline, [&reporter](const EndpointSeen& e, Step s) { reporter.step(e, s); });
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    auto [state, error] = dnssec[i].get();
    seen.hosts[i].dns.dnssec = state;
    if (!error.empty()) seen.hosts[i].dns.error = error;
    look_at_dane(seen.hosts[i], names, std::max(deadline, now() + std::chrono::seconds{1}));
  }
  seen.elapsed = std::chrono::duration_cast<Elapsed>(now() - start);
  return seen;
}

}  // namespace postern::probe
