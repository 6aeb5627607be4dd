#include "accounts/ldap_deadline.h"

#include <lber.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace postern::accounts {

/// Waits before each read and write, and fails with ETIMEDOUT when the time is over.
struct LdapDeadline::Layer {
  static LdapDeadline& of(Sockbuf_IO_Desc* layer) { return *static_cast<LdapDeadline*>(layer->sbiod_pvt); }

  static bool ready(Sockbuf_IO_Desc* layer, short events) {
    const LdapDeadline& deadline = of(layer);
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline.at_ - std::chrono::steady_clock::now());
    const auto wait = std::clamp<std::chrono::milliseconds::rep>(left.count(), 0, INT_MAX);
    pollfd one{deadline.fd_, events, 0};
    const int count = wait == 0 ? 0 : ::poll(&one, 1, static_cast<int>(wait));
    if (count == 0) errno = ETIMEDOUT;
    return count > 0;
  }

  static int set_up(Sockbuf_IO_Desc* layer, void* deadline) {
    layer->sbiod_pvt = deadline;
    return 0;
  }
  static int remove(Sockbuf_IO_Desc* /*layer*/) { return 0; }
  static int control(Sockbuf_IO_Desc* layer, int option, void* argument) {
    return LBER_SBIOD_CTRL_NEXT(layer, option, argument);
  }
  static ber_slen_t read(Sockbuf_IO_Desc* layer, void* buffer, ber_len_t size) {
    return ready(layer, POLLIN) ? LBER_SBIOD_READ_NEXT(layer, buffer, size) : -1;
  }
  static ber_slen_t write(Sockbuf_IO_Desc* layer, void* buffer, ber_len_t size) {
    return ready(layer, POLLOUT) ? LBER_SBIOD_WRITE_NEXT(layer, buffer, size) : -1;
  }
  static int close(Sockbuf_IO_Desc* /*layer*/) { return 0; }

  /// The connection is made, and nothing was said on it yet, not even TLS.
  static int connected(LDAP* /*ldap*/, Sockbuf* socket, LDAPURLDesc* /*server*/, sockaddr* /*address*/,
                       ldap_conncb* callbacks) {
    // Above the socket, which libldap puts in place later, and below TLS.
    constexpr int kLevel = (LBER_SBIOD_LEVEL_PROVIDER + LBER_SBIOD_LEVEL_TRANSPORT) / 2;
    static Sockbuf_IO io{set_up, remove, control, read, write, close};
    auto* deadline = static_cast<LdapDeadline*>(callbacks->lc_arg);
    if (ber_sockbuf_ctrl(socket, LBER_SB_OPT_GET_FD, &deadline->fd_) != 1) return LDAP_LOCAL_ERROR;
    return ber_sockbuf_add_io(socket, &io, kLevel, deadline) == 0 ? LDAP_SUCCESS : LDAP_LOCAL_ERROR;
  }
  static void disconnected(LDAP* /*ldap*/, Sockbuf* /*socket*/, ldap_conncb* /*callbacks*/) {}
};

Result<> LdapDeadline::watch(LDAP* ldap) {
  callbacks_ = {Layer::connected, Layer::disconnected, this};
  if (ldap_set_option(ldap, LDAP_OPT_CONNECT_CB, &callbacks_) != LDAP_OPT_SUCCESS)
    return fail(Errc::Unavailable, "ldap: no deadline can be set");
  return {};
}

}  // namespace postern::accounts
