#pragma once

#include "base/result.h"

#include <ldap.h>

#include <chrono>

namespace postern::accounts {

/// The end of everything that one LDAP connection may wait for, its TLS handshake included: Debian's libldap has no bound for
/// that one, and a server that sends an octet now and then would hold a thread for as long as it likes.
///
/// Threads  one connection, which is one thread's.
/// See      ldap_conncb and Sockbuf_IO in OpenLDAP's <ldap.h> and <lber.h>.
class LdapDeadline {
 public:
  explicit LdapDeadline(std::chrono::steady_clock::time_point at) : at_(at) {}
  /// Before the first question; `this` stays where it is until the connection is gone.
  [[nodiscard]] Result<> watch(LDAP* ldap);
  LdapDeadline(const LdapDeadline&) = delete;
  LdapDeadline& operator=(const LdapDeadline&) = delete;

 private:
  struct Layer;  // of libldap's socket
  const std::chrono::steady_clock::time_point at_;
  int fd_ = -1;
  ldap_conncb callbacks_{};
};

}  // namespace postern::accounts
