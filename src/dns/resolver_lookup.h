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

  net::Task<Result<std::vector<net::IpAddress>>> lookup(net::Loop& loop, std::string host) override;

 private:
  std::map<net::Loop*, Resolver*> resolvers_;
};

}  // namespace postern::dns
