#include "probe/icmp.h"

#include <array>
#include <cerrno>

namespace postern::probe {
namespace {

struct Row {
  bool v6;
  int type;
  int code;
  const char* name;
  TcpOutcome outcome;
};

constexpr int kUnreachable4 = 3;  // RFC 792
constexpr int kUnreachable6 = 1;  // RFC 4443 §3.1

constexpr std::array kRows{
    Row{false, kUnreachable4, 0, "net-unreachable", TcpOutcome::NetworkUnreachable},
    Row{false, kUnreachable4, 1, "host-unreachable", TcpOutcome::HostUnreachable},
    Row{false, kUnreachable4, 2, "prot-unreachable", TcpOutcome::ProtocolUnreachable},
    Row{false, kUnreachable4, 3, "port-unreachable", TcpOutcome::RefusedByIcmp},
    Row{false, kUnreachable4, 6, "net-unknown", TcpOutcome::NetworkUnreachable},
    Row{false, kUnreachable4, 7, "host-unknown", TcpOutcome::HostUnreachable},
    Row{false, kUnreachable4, 9, "net-prohibited", TcpOutcome::Prohibited},     // RFC 1122 §3.2.2.1
    Row{false, kUnreachable4, 10, "host-prohibited", TcpOutcome::Prohibited},   // RFC 1122 §3.2.2.1
    Row{false, kUnreachable4, 13, "admin-prohibited", TcpOutcome::Prohibited},  // RFC 1812 §5.2.7.1
    Row{true, kUnreachable6, 0, "no-route", TcpOutcome::NetworkUnreachable},
    Row{true, kUnreachable6, 1, "admin-prohibited", TcpOutcome::Prohibited},
    Row{true, kUnreachable6, 2, "beyond-scope", TcpOutcome::NetworkUnreachable},
    Row{true, kUnreachable6, 3, "addr-unreachable", TcpOutcome::HostUnreachable},
    Row{true, kUnreachable6, 4, "port-unreachable", TcpOutcome::RefusedByIcmp},
    Row{true, kUnreachable6, 5, "policy-fail", TcpOutcome::Prohibited},
    Row{true, kUnreachable6, 6, "reject-route", TcpOutcome::Prohibited},
};

const Row* find(const IcmpError& icmp) {
  for (const Row& row : kRows) {
    if (row.v6 == icmp.v6 && row.type == icmp.type && row.code == icmp.code) return &row;
  }
  return nullptr;
}

}  // namespace

std::string icmp_name(const IcmpError& icmp) {
  if (const Row* row = find(icmp); row != nullptr) return row->name;
  return "type " + std::to_string(icmp.type) + " code " + std::to_string(icmp.code);
}

TcpOutcome classify_connect_error(int error, const std::optional<IcmpError>& icmp) {
  if (icmp) {
    if (const Row* row = find(*icmp); row != nullptr) return row->outcome;
  }
  switch (error) {
    case 0:
      return TcpOutcome::Open;
    case ECONNREFUSED:
    case ECONNRESET:
      return TcpOutcome::RefusedByReset;
    case ETIMEDOUT:
      return TcpOutcome::Silent;
    case EHOSTUNREACH:
    case EHOSTDOWN:
      return TcpOutcome::HostUnreachable;
    case ENETUNREACH:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case ENETDOWN:
      return TcpOutcome::NoRoute;
    case EPERM:
    case EACCES:
      return TcpOutcome::DeniedHere;
    case ENOPROTOOPT:
    case EPROTO:
      return TcpOutcome::ProtocolUnreachable;
    default:
      return TcpOutcome::OtherError;
  }
}

}  // namespace postern::probe
