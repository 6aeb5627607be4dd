#pragma once

#include "dns/resolver.h"
#include "net/http_client.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace postern::dns {

/// Finds the addresses of web servers with our own resolvers: those that may validate, and whose servers the
/// configuration names.
/// Threads  add() before the loops run; lookup() on a loop that was added.
class ResolverLookup final : public net::AddressLookup {
 public:
  void add(net::Loop& loop, Resolver& resolver) { resolvers_[&loop] = &resolver; }

  net::Task<Result<std::vector<net::IpAddress>>> lookup(net::Loop& loop, std::string host) override {
    const auto found = resolvers_.find(&loop);
    if (found == resolvers_.end()) co_return fail(Errc::Internal, "a loop without a resolver");
    Result<AddressAnswer> answer = co_await found->second->addresses(std::move(host));
    if (!answer) co_return answer.error();
    co_return std::move(answer->ips);
  }

 private:
  std::map<net::Loop*, Resolver*> resolvers_;
};

}  // namespace postern::dns
