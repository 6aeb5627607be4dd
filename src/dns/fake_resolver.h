#pragma once

#include "dns/resolver.h"

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::dns {

/// Answers from tables, for tests. A name in neither table does not exist; one that is only in the other
/// table has an empty answer.
class FakeResolver final : public Resolver {
 public:
  void add_mx(const std::string& domain, std::vector<MxHost> hosts) {
    mx_[domain] = MxAnswer{.hosts = std::move(hosts)};
  }
  void add_null_mx(const std::string& domain) { mx_[domain] = MxAnswer{.null_mx = true}; }
  /// `ips` as text; they must parse.
  void add_host(const std::string& host, const std::vector<std::string_view>& ips) {
    AddressAnswer answer;
    for (const std::string_view ip : ips) answer.ips.push_back(net::IpAddress::parse(ip).value());
    addresses_[host] = std::move(answer);
  }
  /// Every look-up of `name` ends with `error`.
  void fail_with(const std::string& name, const Error& error) {
    mx_[name] = error;
    addresses_[name] = error;
  }
  /// Names asked for, in order; "MX example.org" or "A example.org".
  [[nodiscard]] const std::vector<std::string>& asked() const { return asked_; }

  net::Task<Result<MxAnswer>> mx(std::string domain) override {
    asked_.push_back("MX " + domain);
    co_return answer(mx_, domain);
  }
  net::Task<Result<AddressAnswer>> addresses(std::string host) override {
    asked_.push_back("A " + host);
    co_return answer(addresses_, host);
  }

 private:
  template <class Answer>
  [[nodiscard]] Result<Answer> answer(const std::map<std::string, Result<Answer>>& table,
                                      const std::string& name) const {
    if (const auto found = table.find(name); found != table.end()) return found->second;
    if (mx_.contains(name) || addresses_.contains(name)) return Answer{};
    return fail(Errc::NotFound, name + " does not exist");
  }

  std::map<std::string, Result<MxAnswer>> mx_;
  std::map<std::string, Result<AddressAnswer>> addresses_;
  std::vector<std::string> asked_;
};

}  // namespace postern::dns
