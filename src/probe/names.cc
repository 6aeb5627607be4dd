#include "probe/names.h"

#include "dns/lookup.h"
#include "dns/rdata.h"
#include "mail/idna.h"
#include "probe/certificate.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <memory>
#include <thread>

namespace postern::probe {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLookupWait{8000};

SteadyTime now() { return std::chrono::steady_clock::now(); }

dns::LookupOptions lookup_options(const NameOptions& options, bool validate, SteadyTime deadline) {
  const auto left = std::chrono::duration_cast<milliseconds>(deadline - now());
  return {.servers = options.resolvers,
          .validate = validate,
          .trust_anchor = options.trust_anchor,
          .timeout = std::clamp(left, milliseconds{1}, kLookupWait)};
}

/// What the system's resolver gave; shared with a thread that may outlive the caller.
struct SystemAnswer {
  int status = EAI_AGAIN;
  int error = 0;
  std::vector<net::IpAddress> ips;
};

SystemAnswer ask_system(const std::string& name, Family family) {
  SystemAnswer out;
  addrinfo hints{};
  hints.ai_family = family == Family::V4 ? AF_INET : (family == Family::V6 ? AF_INET6 : AF_UNSPEC);
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  out.status = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
  out.error = errno;
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, freeaddrinfo);
  for (const addrinfo* entry = list; out.status == 0 && entry != nullptr; entry = entry->ai_next) {
    sockaddr_storage address{};
    std::memcpy(&address, entry->ai_addr, entry->ai_addrlen);
    out.ips.push_back(net::Endpoint::from_sockaddr(address).ip);
  }
  return out;
}

void resolve_by_system(const std::string& name, Family family, SteadyTime deadline, DnsSeen& seen) {
  std::promise<SystemAnswer> promise;
  std::future<SystemAnswer> future = promise.get_future();
  // getaddrinfo() cannot be told to stop: at the deadline it is left behind.
  std::thread([name, family, promise = std::move(promise)]() mutable {
    promise.set_value(ask_system(name, family));
  }).detach();
  if (future.wait_until(deadline) != std::future_status::ready) {
    seen.outcome = DnsOutcome::Timeout;
    return;
  }
  SystemAnswer answer = future.get();
  seen.ips = std::move(answer.ips);
  seen.outcome = DnsOutcome::Found;
  if (answer.status == 0) return;
  seen.error = answer.status == EAI_SYSTEM ? std::strerror(answer.error) : ::gai_strerror(answer.status);
  seen.outcome = answer.status == EAI_NONAME
                     ? DnsOutcome::NoSuchName
                     : (answer.status == EAI_NODATA || answer.status == EAI_ADDRFAMILY ? DnsOutcome::NoAddress
                                                                                       : DnsOutcome::Failed);
}

DnsOutcome outcome_of(dns::LookupOutcome outcome) {
  switch (outcome) {
    case dns::LookupOutcome::Found:
      return DnsOutcome::Found;
    case dns::LookupOutcome::NoSuchName:
      return DnsOutcome::NoSuchName;
    case dns::LookupOutcome::NoData:
      return DnsOutcome::NoAddress;
    case dns::LookupOutcome::Failed:
      return DnsOutcome::Failed;
    case dns::LookupOutcome::Timeout:
      return DnsOutcome::Timeout;
    case dns::LookupOutcome::Bogus:
      return DnsOutcome::Bogus;
  }
  return DnsOutcome::Failed;
}

void resolve_by_servers(const std::string& name, const NameOptions& options, SteadyTime deadline,
                        DnsSeen& seen) {
  seen.outcome = DnsOutcome::NoSuchName;
  for (const auto& [type, family] :
       {std::pair{dns::RecordType::A, Family::V4}, {dns::RecordType::Aaaa, Family::V6}}) {
    if (options.family != Family::Any && options.family != family) continue;
    const Result<dns::Lookup> answer = dns::lookup(name, type, lookup_options(options, false, deadline));
    if (!answer) {
      seen.outcome = DnsOutcome::Failed;
      seen.error = answer.error().detail;
      return;
    }
    for (const std::string& record : answer->records) {
      if (const auto ip = net::IpAddress::from_octets(record)) seen.ips.push_back(*ip);
    }
    const DnsOutcome outcome = outcome_of(answer->outcome);
    if (outcome == DnsOutcome::NoSuchName || (outcome == DnsOutcome::NoAddress && !seen.ips.empty()))
      continue;
    seen.outcome = outcome;
    seen.error = answer->error;
    if (outcome == DnsOutcome::Failed || outcome == DnsOutcome::Timeout) break;
  }
  if (!seen.ips.empty()) seen.outcome = DnsOutcome::Found;
}

/// A name that only this machine or network knows; nobody signs it.
bool is_local_name(const std::string& name) {
  return name.find('.') == std::string::npos || name.ends_with(".localhost") || name.ends_with(".local");
}

/// RFC 1035 §2.3.4: labels of 1 to 63 octets, 253 in all; the dot of the root may be said.
bool could_be_in_dns(std::string_view name) {
  constexpr std::size_t kLongestLabel = 63;
  constexpr std::size_t kLongestName = 253;
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > kLongestName) return false;
  std::size_t label = 0;
  for (const char c : name) {
    if (c == '.' && label == 0) return false;
    label = c == '.' ? 0 : label + 1;
    if (label > kLongestLabel) return false;
  }
  return label > 0;
}

}  // namespace

DnsSeen resolve(const std::string& name, const NameOptions& options, SteadyTime deadline) {
  const SteadyTime start = now();
  DnsSeen seen;
  seen.name = name;
  if (const Result<net::IpAddress> ip = net::IpAddress::parse(name)) {
    seen.ips.push_back(*ip);
    return seen;
  }
  const SteadyTime until = std::min(deadline, start + kLookupWait);
  const Result<std::string> ascii = mail::to_ascii(name);
  if (!ascii || !could_be_in_dns(*ascii)) {
    seen.outcome = DnsOutcome::NoSuchName;
    seen.error = kNotADnsName;
  } else if (options.resolvers.empty()) {
    resolve_by_system(*ascii, options.family, until, seen);
  } else {
    resolve_by_servers(*ascii, options, until, seen);
  }
  std::stable_partition(seen.ips.begin(), seen.ips.end(),
                        [](const net::IpAddress& ip) { return !ip.is_v6(); });
  std::vector<net::IpAddress> unique;
  for (const net::IpAddress& ip : seen.ips) {
    if (std::find(unique.begin(), unique.end(), ip) == unique.end()) unique.push_back(ip);
  }
  seen.ips = std::move(unique);
  if (seen.outcome == DnsOutcome::Found && seen.ips.empty()) seen.outcome = DnsOutcome::NoAddress;
  seen.elapsed = std::chrono::duration_cast<Elapsed>(now() - start);
  return seen;
}

DnssecState dnssec_state(const std::string& name, const NameOptions& options, SteadyTime deadline,
                         std::string& error) {
  if (net::IpAddress::parse(name) || is_local_name(name)) return DnssecState::NotChecked;
  const auto answer = dns::lookup(name, dns::RecordType::A, lookup_options(options, true, deadline));
  if (!answer) return DnssecState::Unknown;
  const bool answered =
      answer->outcome == dns::LookupOutcome::Found || answer->outcome == dns::LookupOutcome::NoData;
  if (answered) return answer->secure ? DnssecState::Secure : DnssecState::Insecure;
  if (answer->outcome != dns::LookupOutcome::Bogus) return DnssecState::Unknown;
  // A resolver that drops signatures makes everything bogus, the root too; where trust begins elsewhere it says nothing.
  if (!options.trust_anchor.empty()) {
    error = answer->error;
    return DnssecState::Bogus;
  }
  const auto root = dns::lookup(".", dns::RecordType::Dnskey, lookup_options(options, true, deadline));
  if (!root || !root->secure) return DnssecState::ResolverStrips;
  error = answer->error;
  return DnssecState::Bogus;
}

namespace {

DaneState match(const std::vector<std::string>& records, const TlsSeen& tls) {
  bool usable = false;
  for (const std::string& record : records) {
    const std::optional<net::TlsaRecord> tlsa = dns::tlsa_from_rdata(record);
    if (!tlsa || !tlsa->usable()) continue;
    usable = true;
    constexpr int kTrustAnchor = 2;
    const bool good_leaf = tls.name_matches && !tls.expired && !tls.not_yet_valid;
    if (tlsa_matches(*tlsa, tls.chain) && (tlsa->usage != kTrustAnchor || good_leaf))
      return DaneState::Matches;
  }
  return usable ? DaneState::Mismatch : DaneState::Unusable;
}

}  // namespace

DaneState check_dane(const std::string& host, std::uint16_t port, const TlsSeen& tls,
                     const NameOptions& options, SteadyTime deadline) {
  std::vector<std::string> bases{host};
  const auto address = dns::lookup(host, dns::RecordType::A, lookup_options(options, true, deadline));
  if (address && address->secure && address->canonical != host && !address->canonical.empty())
    bases.insert(bases.begin(), address->canonical);
  DaneState state = DaneState::NoRecords;
  for (const std::string& base : bases) {
    const std::string name = '_' + std::to_string(port) + "._tcp." + base;
    const auto answer = dns::lookup(name, dns::RecordType::Tlsa, lookup_options(options, true, deadline));
    if (!answer) return DaneState::LookupFailed;
    if (answer->outcome == dns::LookupOutcome::NoSuchName || answer->outcome == dns::LookupOutcome::NoData)
      continue;
    if (answer->outcome == dns::LookupOutcome::Bogus) return DaneState::Bogus;
    if (answer->outcome != dns::LookupOutcome::Found) return DaneState::LookupFailed;
    if (answer->secure) return match(answer->records, tls);
    state = DaneState::NotSecure;
  }
  return state;
}

DomainSeen find_hosts(const std::string& domain, const NameOptions& options, SteadyTime deadline) {
  DomainSeen seen;
  seen.domain = domain;
  constexpr const char* kServices[] = {"_submissions._tcp", "_submission._tcp"};
  for (const char* service : kServices) {
    const auto answer =
        dns::lookup(service + ('.' + domain), dns::RecordType::Srv, lookup_options(options, false, deadline));
    if (!answer) {
      seen.error = answer.error().detail;
      return seen;
    }
    if (answer->outcome != dns::LookupOutcome::Found) {
      seen.notes.push_back("no SRV record " + std::string(service) +
                           (answer->error.empty() ? "" : " (" + answer->error + ")"));
      continue;
    }
    for (const SrvTarget& target : srv_from_rdata(answer->records)) {
      if (target.host.empty()) {
        seen.notes.push_back(std::string(service) + " says that there is no such service");
      } else {
        seen.hosts.push_back({target.host, target.port, "SRV " + std::string(service)});
      }
    }
  }
  const auto answer = dns::lookup(domain, dns::RecordType::Mx, lookup_options(options, false, deadline));
  if (!answer) return seen;
  const dns::MxAnswer mx = dns::mx_from_rdata(answer->records);
  constexpr std::uint16_t kSmtp = 25;
  for (const dns::MxHost& host : mx.hosts) seen.hosts.push_back({host.host, kSmtp, "MX"});
  if (mx.null_mx) seen.notes.push_back("null MX: the domain takes no mail (RFC 7505)");
  if (answer->outcome == dns::LookupOutcome::NoSuchName) seen.error = domain + " does not exist";
  if (seen.error.empty() && !answer->error.empty()) seen.error = answer->error;
  if (seen.error.empty() && seen.hosts.empty()) seen.error = "no SRV and no MX record";
  return seen;
}

std::vector<SrvTarget> srv_from_rdata(const std::vector<std::string>& records) {
  std::vector<SrvTarget> out;
  constexpr std::size_t kFixed = 6;
  for (const std::string& record : records) {
    if (record.size() <= kFixed) continue;
    const auto number = [&](std::size_t at) {
      return static_cast<unsigned char>(record[at]) << 8 | static_cast<unsigned char>(record[at + 1]);
    };
    const Result<std::string> host = dns::name_from_wire(std::string_view(record).substr(kFixed));
    if (host) out.push_back({number(0), number(2), static_cast<std::uint16_t>(number(4)), *host});
  }
  std::stable_sort(out.begin(), out.end(), [](const SrvTarget& a, const SrvTarget& b) {
    return a.priority != b.priority ? a.priority < b.priority : a.weight > b.weight;
  });
  return out;
}

}  // namespace postern::probe
