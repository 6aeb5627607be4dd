#include "tlspolicy/dane.h"

#include <algorithm>
#include <utility>

namespace postern::tlspolicy {
namespace {

Dane failed(std::string why) { return {Dane::State::Failed, {}, std::move(why)}; }

/// The candidates for the TLSA base domain, best first; an error means that we do not know.
net::Task<Result<std::vector<std::string>>> base_domains(dns::Resolver& resolver, std::string host) {
  std::vector<std::string> candidates;
  const Result<dns::AddressAnswer> addresses = co_await resolver.addresses(host);
  if (!addresses) co_return addresses.error();
  const bool alias = !addresses->canonical.empty() && addresses->canonical != host;
  if (addresses->secure) {
    if (alias) candidates.push_back(addresses->canonical);
    candidates.push_back(std::move(host));
    co_return candidates;
  }
  if (!alias) co_return candidates;
  const Result<bool> secure = co_await resolver.secure_alias(host);
  if (!secure) co_return secure.error();
  if (*secure) candidates.push_back(std::move(host));
  co_return candidates;
}

}  // namespace

net::Task<Dane> look_up_dane(dns::Resolver& resolver, std::string host, std::uint16_t port) {
  const Result<std::vector<std::string>> candidates = co_await base_domains(resolver, std::move(host));
  if (!candidates) co_return failed(candidates.error().detail);
  for (const std::string& base : *candidates) {
    const std::string name = "_" + std::to_string(port) + "._tcp." + base;
    Result<dns::TlsaAnswer> answer = co_await resolver.tlsa(name);
    if (!answer) co_return failed("TLSA records of " + name + ": " + answer.error().detail);
    if (!answer->secure || answer->records.empty()) continue;
    Dane found;
    found.peer.name = base;
    found.peer.tlsa = std::move(answer->records);
    const bool usable = std::ranges::any_of(found.peer.tlsa, &net::TlsaRecord::usable);
    found.state = usable ? Dane::State::Usable : Dane::State::Unusable;
    co_return found;
  }
  co_return Dane{};
}

std::string to_text(const net::TlsaRecord& record) {
  std::string out = std::to_string(record.usage) + ' ' + std::to_string(record.selector) + ' ' +
                    std::to_string(record.matching) + ' ';
  constexpr const char* kHex = "0123456789abcdef";
  for (const char c : record.data) {
    const auto octet = static_cast<unsigned char>(c);
    out += kHex[octet >> 4U];
    out += kHex[octet & 0x0fU];
  }
  return out;
}

}  // namespace postern::tlspolicy
