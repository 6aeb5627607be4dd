#include "probe/connect.h"

#include "probe/icmp.h"

// The kernel's header wants struct timespec and sockaddr before it.
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>  // NOLINT(modernize-deprecated-headers)
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace postern::probe {
namespace {

Elapsed since(SteadyTime start) {
  return std::chrono::duration_cast<Elapsed>(std::chrono::steady_clock::now() - start);
}

std::optional<net::IpAddress> ip_of(const sockaddr* address) {
  if (address->sa_family != AF_INET && address->sa_family != AF_INET6) return std::nullopt;
  sockaddr_storage storage{};
  std::memcpy(&storage, address, address->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
  return net::Endpoint::from_sockaddr(storage).ip;
}

/// Takes one ICMP error out of the socket's error queue (Linux 5.18 and later queue them for TCP as well).
std::optional<IcmpError> take_icmp(int fd, std::optional<net::IpAddress>& sender) {
  std::array<char, 64> data{};
  alignas(cmsghdr) std::array<char, 512> control{};
  iovec piece{data.data(), data.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  if (::recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return std::nullopt;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
    const bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
    if (!v4 && !v6) continue;
    sock_extended_err error{};
    std::memcpy(&error, CMSG_DATA(c), sizeof error);
    if (error.ee_origin != SO_EE_ORIGIN_ICMP && error.ee_origin != SO_EE_ORIGIN_ICMP6) continue;
    sender = ip_of(SO_EE_OFFENDER(reinterpret_cast<sock_extended_err*>(CMSG_DATA(c))));
    return IcmpError{
        .v6 = error.ee_origin == SO_EE_ORIGIN_ICMP6, .type = error.ee_type, .code = error.ee_code};
  }
  return std::nullopt;
}

void ask_for_errors(int fd, bool v6) {
  const int on = 1;
  if (v6) {
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
  } else {
    ::setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
  }
}

int pending_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  return error;
}

/// 0 when connected, errno otherwise; ETIMEDOUT at the deadline.
int await_connection(Wire& wire, const Remote& remote, SteadyTime deadline) {
  sockaddr_storage address{};
  const std::uint32_t length = remote.endpoint.to_sockaddr(address);
  if (address.ss_family == AF_INET6) reinterpret_cast<sockaddr_in6*>(&address)->sin6_scope_id = remote.zone;
  if (::connect(wire.fd(), reinterpret_cast<const sockaddr*>(&address), length) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  if (wire.wait_writable(deadline)) return pending_error(wire.fd());
  return ETIMEDOUT;
}

}  // namespace

std::pair<TcpSeen, Wire> connect(const Remote& remote, SteadyTime deadline) {
  const SteadyTime start = std::chrono::steady_clock::now();
  const net::IpAddress& ip = remote.endpoint.ip;
  TcpSeen seen;
  Wire wire(::socket(ip.is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  int error = errno;
  std::optional<IcmpError> icmp;
  if (wire.fd() >= 0) {
    ask_for_errors(wire.fd(), ip.is_v6());
    error = await_connection(wire, remote, deadline);
    if (error != 0) icmp = take_icmp(wire.fd(), seen.sender);
  }
  seen.elapsed = since(start);
  seen.outcome = classify_connect_error(error, icmp);
  if (icmp) seen.icmp = icmp_name(*icmp);
  seen.sender_is_us = seen.sender && *seen.sender != ip && is_own_address(*seen.sender);
  if (error != 0) {
    seen.error = std::strerror(error);
    return {seen, Wire(-1)};
  }
  sockaddr_storage local{};
  socklen_t length = sizeof local;
  if (::getsockname(wire.fd(), reinterpret_cast<sockaddr*>(&local), &length) == 0) {
    seen.local = net::Endpoint::from_sockaddr(local).ip;
  }
  return {seen, std::move(wire)};
}

bool is_own_address(const net::IpAddress& ip) {
  if (ip.is_loopback()) return true;
  // Only an address of our own can be bound.
  const int fd = ::socket(ip.is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_storage address{};
  const std::uint32_t length = net::Endpoint{ip, 0}.to_sockaddr(address);
  const bool own = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0;
  ::close(fd);
  return own;
}

}  // namespace postern::probe
