#pragma once

#include "net/endpoint.h"
#include "net/loop.h"
#include "net/task.h"

#include <string>

namespace postern::accounts {

/// Somebody else who knows passwords: an LDAP server, Dovecot's authentication service.
class PasswordBackend {
 public:
  virtual ~PasswordBackend() = default;
  /// Whether `password` is that of `name`. Errors: Denied: it is not, or there is no such name. Unavailable, Timeout:
  /// nobody can tell now. Ends within the back end's own deadline.
  virtual net::Task<Result<>> check(net::Loop& loop, std::string name, std::string password,
                                    net::IpAddress client) = 0;
};

}  // namespace postern::accounts
