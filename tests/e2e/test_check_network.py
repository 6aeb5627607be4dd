"""`postern check` through real faults of the network: three namespaces, client - router - server, with nft and iptables rules of
every kind, a closed port, an address where nobody is, IPv6 that goes nowhere."""

import os
import shutil

import pytest

from probe_tools import Faulty, Namespace, check, endpoints, make_certificates

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces")

SERVER, SERVER6, ROUTER = "10.87.2.2", "fd87:2::2", "10.87.1.1"
# port: nft verdict in the server's input chain, and what the check has to say
REJECTS = {
    2001: ("drop", "filtered", "no-answer", None),
    2002: ("reject with icmpx port-unreachable", "refused-by-firewall", "refused-by-icmp", "port-unreachable"),
    2003: ("reject with icmpx admin-prohibited", "refused-by-firewall", "prohibited-by-icmp", "admin-prohibited"),
    2004: ("reject with icmpx host-unreachable", "refused-by-firewall", "host-unreachable", {4: "host-unreachable", 6: "addr-unreachable"}),
    2005: ("reject with icmpx no-route", "refused-by-firewall", "network-unreachable", {4: "net-unreachable", 6: "no-route"}),
    2006: ("reject with tcp reset", "refused", "refused-by-reset", None),
}
REJECTS_V4 = {
    2011: ("icmp-net-prohibited", "net-prohibited"), 2012: ("icmp-host-prohibited", "host-prohibited"),
    2013: ("icmp-proto-unreachable", "prot-unreachable"), 2014: ("icmp-port-unreachable", "port-unreachable"),
}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def network():
    client, router, server = spaces = [Namespace(label) for label in ("c", "r", "s")]
    client.connect(router, "10.87.1.2/24", "10.87.1.1/24", "fd87:1::2/64", "fd87:1::1/64")
    router.connect(server, "10.87.2.1/24", "10.87.2.2/24", "fd87:2::1/64", "fd87:2::2/64")
    router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    server.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
    for space, gateway, gateway6 in ((client, "10.87.1.1", "fd87:1::1"), (server, "10.87.2.1", "fd87:2::1")):
        space.run("ip", "route", "add", "default", "via", gateway)
        space.run("ip", "-6", "route", "add", "default", "via", gateway6)
    rules = "".join(f"tcp dport {port} {row[0]}\n" for port, row in REJECTS.items())
    server.run("nft", "-f", "-", input=f"table inet t {{ chain c {{ type filter hook input priority 0;\n{rules}}}\n}}\n")
    for port, (kind, _) in REJECTS_V4.items():
        server.run("iptables", "-A", "INPUT", "-p", "tcp", "--dport", str(port), "-j", "REJECT", "--reject-with", kind)
    router.run("nft", "-f", "-", input="table inet t { chain c { type filter hook forward priority 0;\n"
               "tcp dport 2021 reject with icmpx admin-prohibited\n tcp dport 2022 drop\n ip6 daddr fd87:2::66 drop\n"
               "ip daddr 10.87.2.66 tcp dport 25 drop\n}\n}\n")
    yield client, router, server
    for space in spaces:
        space.close()


def test_every_kind_of_refusal_is_told_apart(network):
    client, _, _ = network
    ports = [*REJECTS, *REJECTS_V4, 2021, 2022, 2031]
    seen = endpoints(check("mail.test", "--address", f"{SERVER},{SERVER6}", "--timeout", "4", "--port", ",".join(map(str, ports)), prefix=client.prefix))
    for port, (_, failure, outcome, icmp) in REJECTS.items():
        for address, family in ((SERVER, 4), (SERVER6, 6)):
            found = seen[address, port]
            assert (found["failure"], found["tcp"]["outcome"]) == (failure, outcome), found
            assert found["tcp"].get("icmp") == (icmp[family] if isinstance(icmp, dict) else icmp), found
            if icmp:
                assert found["tcp"]["icmp_from"] == address and "host's own firewall" in found["findings"][0]["cause"], found
    for port, (_, icmp) in REJECTS_V4.items():
        found = seen[SERVER, port]
        assert (found["failure"], found["tcp"]["icmp"]) == ("refused-by-firewall", icmp), found
    from_router = seen[SERVER, 2021]
    assert from_router["failure"] == "refused-by-firewall" and from_router["tcp"]["icmp_from"] == ROUTER
    assert "router on the way" in from_router["findings"][0]["cause"]
    assert seen[SERVER, 2022]["failure"] == "filtered"
    assert "drops this port only" in seen[SERVER, 2022]["findings"][0]["cause"]
    assert seen[SERVER, 2031]["failure"] == "refused" and seen[SERVER, 2031]["tcp"]["outcome"] == "refused-by-reset"


def test_unreachable_and_no_route(network):
    client, _, _ = network
    nobody = check("10.87.2.99:587", "--timeout", "8", prefix=client.prefix, code=23)
    assert nobody["hosts"][0]["endpoints"][0]["tcp"]["icmp_from"] == ROUTER
    neighbour = check("10.87.1.99:587", "--timeout", "8", prefix=client.prefix, code=23)
    assert "nobody has this address" in neighbour["summary"]
    client.run("ip", "route", "add", "unreachable", "10.99.0.0/16")
    check("10.99.0.1:587", "--timeout", "4", prefix=client.prefix, code=23)
    provider = check("10.87.2.66:25", "--timeout", "3", prefix=client.prefix, code=22)
    assert "block outgoing port 25" in provider["cause"]


def test_an_outgoing_rule_of_this_machine(network):
    client, _, _ = network
    client.run("nft", "-f", "-", input="table inet out { chain c { type filter hook output priority 0;\n"
               "tcp dport 2041 reject with icmpx admin-prohibited\n}\n}\n")
    seen = check(f"{SERVER}:2041", "--timeout", "4", prefix=client.prefix)
    assert seen["failure"] == "denied-here" and "this machine's own" in seen["cause"], seen
    client.run("nft", "delete", "table", "inet", "out")


def test_blackholed_ipv6_beside_working_ipv4(network, certificates):
    client, _, server = network
    faulty = Faulty(certificates, SERVER, ["587=good"], prefix=server.prefix)
    try:
        seen = check("mail.test:587", "--address", f"{SERVER},fd87:2::66", "--ca-file", certificates / "ca.pem", "--timeout", "4",
                     prefix=client.prefix, code=3)
    finally:
        faulty.stop()
    assert seen["failure"] == "partial" and "fd87:2::66" in seen["summary"] and "IPv6" in seen["cause"]
    assert endpoints(seen)[SERVER, 587]["failure"] == "ok"


def test_a_network_that_answers_for_everybody(network, certificates):
    """A captive network: the router takes every connection to port 2525 and hangs up."""
    client, router, _ = network
    router.run("nft", "-f", "-", input="table ip captive { chain c { type nat hook prerouting priority -100; tcp dport 2525 redirect to :2525\n}\n}\n")
    faulty = Faulty(certificates, ROUTER, ["2525=close"], prefix=router.prefix)
    try:
        seen = check("10.87.2.2:2525", "--timeout", "5", prefix=client.prefix, code=26)
    finally:
        faulty.stop()
        router.run("nft", "delete", "table", "ip", "captive")
    assert "middlebox takes every connection" in seen["cause"]


def test_ports_with_the_wrong_tls_mode(network, certificates):
    client, _, server = network
    faulty = Faulty(certificates, SERVER, ["587=tls-on-587", "465=strip", "25=http", "2525=close"], prefix=server.prefix)
    try:
        seen = endpoints(check("mail.test", "--address", SERVER, "--timeout", "12", prefix=client.prefix, code=32))
    finally:
        faulty.stop()
    assert {port: e["failure"] for (_, port), e in seen.items()} == {587: "wrong-tls-mode", 465: "wrong-tls-mode", 25: "other-protocol", 2525: "dropped"}
    assert "speaks TLS at once" in seen[SERVER, 587]["findings"][0]["what"]
    assert "clear text" in seen[SERVER, 465]["findings"][0]["what"]


@pytest.mark.skipif(not shutil.which("iptables-legacy"), reason="no legacy iptables")
def test_legacy_iptables_reject(network):
    client, _, server = network
    server.run("iptables-legacy", "-A", "INPUT", "-p", "tcp", "--dport", "2051", "-j", "REJECT", "--reject-with", "icmp-admin-prohibited")
    seen = check(f"{SERVER}:2051", "--timeout", "4", prefix=client.prefix, code=21)
    assert "admin-prohibited" in seen["summary"]
