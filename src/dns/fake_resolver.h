#pragma once

#include "dns/resolver.h"

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::dns {

/// Answers from tables, for tests. A name in neither table of MX and addresses does not exist; one that is only in the other
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
  void add_tlsa(const std::string& name, std::vector<net::TlsaRecord> records, bool secure = true) {
    tlsa_[name] = TlsaAnswer{std::move(records), secure};
  }
  void add_txt(const std::string& name, std::vector<std::string> texts) { txt_[name] = std::move(texts); }
  /// The records of `name` that were added before are signed.
  void sign(const std::string& name) {
    if (const auto found = mx_.find(name); found != mx_.end() && found->second) found->second->secure = true;
    if (const auto found = addresses_.find(name); found != addresses_.end() && found->second)
      found->second->secure = true;
  }
  /// `name` is an alias; the addresses are those of `target`, which were added before.
  void add_alias(const std::string& name, const std::string& target, bool secure) {
    addresses_[name] = addresses_.at(target);
    addresses_[name]->canonical = target;
    aliases_[name] = secure;
  }
  /// Every look-up of `name` ends with `error`.
  void fail_with(const std::string& name, const Error& error) {
    mx_[name] = error;
    addresses_[name] = error;
    tlsa_[name] = error;
    txt_[name] = error;
  }
  /// Names asked for, in order; "MX example.org" or "A example.org".
  [[nodiscard]] const std::vector<std::string>& asked() const { return asked_; }

  net::Task<Result<MxAnswer>> mx(std::string domain) override {
    asked_.push_back("MX " + domain);
    co_return answer(mx_, domain);
  }
  net::Task<Result<AddressAnswer>> addresses(std::string host) override {
    asked_.push_back("A " + host);
    Result<AddressAnswer> found = answer(addresses_, host);
    if (found && found->canonical.empty()) found->canonical = host;
    co_return found;
  }
  net::Task<Result<TlsaAnswer>> tlsa(std::string name) override {
    asked_.push_back("TLSA " + name);
    const auto found = tlsa_.find(name);
    co_return found == tlsa_.end() ? Result<TlsaAnswer>(TlsaAnswer{}) : found->second;
  }
  net::Task<Result<std::vector<std::string>>> txt(std::string name) override {
    asked_.push_back("TXT " + name);
    const auto found = txt_.find(name);
    co_return found == txt_.end() ? Result<std::vector<std::string>>(std::vector<std::string>{})
                                  : found->second;
  }
  net::Task<Result<bool>> secure_alias(std::string name) override {
    asked_.push_back("CNAME " + name);
    const auto found = aliases_.find(name);
    co_return found != aliases_.end() && found->second;
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
  std::map<std::string, Result<TlsaAnswer>> tlsa_;
  std::map<std::string, Result<std::vector<std::string>>> txt_;
  std::map<std::string, bool> aliases_;
  std::vector<std::string> asked_;
};

}  // namespace postern::dns
