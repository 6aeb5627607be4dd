#include "dns/resolver_lookup.h"

#include <utility>

namespace postern::dns {

net::Task<Result<std::vector<net::IpAddress>>> ResolverLookup::lookup(net::Loop& loop, std::string host) {
  const auto found = resolvers_.find(&loop);
  if (found == resolvers_.end()) co_return fail(Errc::Internal, "a loop without a resolver");
  Result<AddressAnswer> answer = co_await found->second->addresses(std::move(host));
  if (!answer) co_return answer.error();
  co_return std::move(answer->ips);
}

}  // namespace postern::dns
