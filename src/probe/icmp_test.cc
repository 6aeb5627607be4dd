#include "probe/icmp.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace postern::probe {
namespace {

struct Case {
  const char* name;
  int error;
  std::optional<IcmpError> icmp;
  TcpOutcome outcome;
  const char* icmp_name;
};

class ConnectError : public testing::TestWithParam<Case> {};

TEST_P(ConnectError, MeansOneOutcome) {
  const Case& c = GetParam();
  EXPECT_EQ(classify_connect_error(c.error, c.icmp), c.outcome);
  if (c.icmp) {
    EXPECT_EQ(icmp_name(*c.icmp), c.icmp_name);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, ConnectError,
    testing::Values(
        Case{"open", 0, {}, TcpOutcome::Open, ""},
        Case{"reset", ECONNREFUSED, {}, TcpOutcome::RefusedByReset, ""},
        Case{"port_unreachable", ECONNREFUSED, IcmpError{false, 3, 3}, TcpOutcome::RefusedByIcmp,
             "port-unreachable"},
        Case{"admin", EHOSTUNREACH, IcmpError{false, 3, 13}, TcpOutcome::Prohibited, "admin-prohibited"},
        Case{"host_prohibited", EHOSTUNREACH, IcmpError{false, 3, 10}, TcpOutcome::Prohibited,
             "host-prohibited"},
        Case{"net_prohibited", ENETUNREACH, IcmpError{false, 3, 9}, TcpOutcome::Prohibited, "net-prohibited"},
        Case{"host", EHOSTUNREACH, IcmpError{false, 3, 1}, TcpOutcome::HostUnreachable, "host-unreachable"},
        Case{"arp_failed", EHOSTUNREACH, {}, TcpOutcome::HostUnreachable, ""},
        Case{"net", ENETUNREACH, IcmpError{false, 3, 0}, TcpOutcome::NetworkUnreachable, "net-unreachable"},
        Case{"no_route", ENETUNREACH, {}, TcpOutcome::NoRoute, ""},
        Case{"v6_admin", EACCES, IcmpError{true, 1, 1}, TcpOutcome::Prohibited, "admin-prohibited"},
        Case{"v6_port", ECONNREFUSED, IcmpError{true, 1, 4}, TcpOutcome::RefusedByIcmp, "port-unreachable"},
        Case{"v6_addr", EHOSTUNREACH, IcmpError{true, 1, 3}, TcpOutcome::HostUnreachable, "addr-unreachable"},
        Case{"v6_policy", EACCES, IcmpError{true, 1, 5}, TcpOutcome::Prohibited, "policy-fail"},
        Case{"output_rule", EPERM, {}, TcpOutcome::DeniedHere, ""},
        Case{"kernel_gave_up", ETIMEDOUT, {}, TcpOutcome::Silent, ""},
        Case{"unknown_icmp_keeps_errno", EHOSTUNREACH, IcmpError{false, 3, 77}, TcpOutcome::HostUnreachable,
             "type 3 code 77"}),
    [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace postern::probe
