"""Mail hosts in a network of their own: order of preference, dead and silent hosts, hosts of one family, names that are
aliases, domains without mail and domains that point at us."""

import os
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import time

import pytest
from conftest import ADDRESS, PASSWORD, eventually, start_postern
from fake_dns import FakeDns
from tls_hop import TlsHop

INSIDE = "POSTERN_TEST_MX_TREE"
PORT, SILENT6 = 2525, "2001:db8::25"  # behind an interface that drops everything
pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="network namespaces need root and iproute2")


def test_in_a_network_of_its_own():
    if INSIDE in os.environ:
        return
    # What goes into the hole meets nobody who would answer, not even that there is nobody.
    network = ("ip link set lo up && ip link add hole type veth peer name hidden && ip link set hole arp off && ip link set hidden up && "
               "ip addr add 2001:db8::1/64 dev hole nodad && ip link set hole up")
    done = subprocess.run(["unshare", "-n", "sh", "-c", network + ' && exec "$@"', "sh", sys.executable, "-m", "pytest", "-q", "-p",
                           "no:cacheprovider", __file__], env={**os.environ, INSIDE: "1"}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


inside = pytest.mark.skipif(INSIDE not in os.environ, reason="run by test_in_a_network_of_its_own")


class Hop6(TlsHop):
    address_family = socket.AF_INET6


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    directory = tmp_path_factory.mktemp("mx-tree")
    first, second, six = TlsHop(("127.66.0.1", PORT), None), TlsHop(("127.66.0.2", PORT), None), Hop6(("::1", PORT), None)
    dns = FakeDns({
        "order.test": {"mx": [(20, "second.test"), (10, "first.test")]},
        "dead.test": {"mx": [(10, "refuses.test"), (20, "nowhere.test"), (30, "second.test")]},
        "implicit.test": {"a": ["127.66.0.2"]}, "implicit6.test": {"aaaa": ["::1"]}, "six.test": {"mx": [(10, "six-host.test")]},
        "silent.test": {"mx": [(10, "both.test")]}, "null.test": {"mx": [(0, "")]},
        "alias.test": {"mx": [(10, "alias-host.test")]}, "us.test": {"mx": [(10, "mail.example.org"), (20, "second.test")]},
        "better.test": {"mx": [(10, "first.test"), (20, "mail.example.org"), (30, "second.test")]},
        "first.test": {"a": ["127.66.0.1"]}, "second.test": {"a": ["127.66.0.2"]}, "six-host.test": {"aaaa": ["::1"]},
        "refuses.test": {"a": ["127.66.0.9"]}, "both.test": {"a": ["127.66.0.2"], "aaaa": [SILENT6]},
        "alias-host.test": {"cname": "second.test"}, "mail.example.org": {"a": ["127.66.0.77"]},
    })
    server = start_postern(directory, f'[dns]\nservers = ["127.0.0.1:{dns.port}"]\ndnssec = false\n'
                                      f'[delivery]\nmode = "direct"\nport = {PORT}\n')
    yield server, first, second, six
    server.stop()
    dns.close()
    for hop in (first, second, six):
        hop.shutdown()


def send(server, recipient):
    with smtplib.SMTP_SSL("localhost", server.submissions, timeout=20, context=ssl.create_default_context(cafile=server.ca)) as client:
        client.login(ADDRESS, PASSWORD)
        client.sendmail(ADDRESS, [recipient], f"From: {ADDRESS}\r\nSubject: x\r\n\r\nbody\r\n")


@inside
@pytest.mark.parametrize("domain, at", [("order.test", 1), ("dead.test", 2), ("implicit.test", 2), ("implicit6.test", 6), ("six.test", 6),
                                        ("alias.test", 2), ("better.test", 1)])
def test_goes_to_the_best_host_that_works(world, domain, at):
    server, first, second, six = world
    send(server, f"r@{domain}")
    hop = {1: first, 2: second, 6: six}[at]
    eventually(lambda: f"r@{domain}" in hop.recipients(), "the mail")
    assert sum(other.recipients().count(f"r@{domain}") for other in (first, second, six)) == 1


@inside
def test_a_silent_family_of_addresses_costs_seconds_and_not_minutes(world):
    server, _, second, _ = world
    begun = time.monotonic()
    send(server, "r@silent.test")
    eventually(lambda: "r@silent.test" in second.recipients(), "the mail")
    assert time.monotonic() - begun < 8
    begun = time.monotonic()
    send(server, "again@silent.test")  # it is remembered, and the connection is open
    eventually(lambda: "again@silent.test" in second.recipients(), "the mail")
    assert time.monotonic() - begun < 2


@inside
@pytest.mark.parametrize("domain, why", [("null.test", "accepts no mail"), ("us.test", "mail would loop"), ("missing.test", "does not exist")])
def test_nowhere_to_go_comes_back(world, domain, why):
    server, first, second, _ = world
    send(server, f"r@{domain}")
    line = eventually(lambda: [text for text in server.cli("trace", f"r@{domain}", ok=False).stdout.splitlines() if "failed" in text],
                      "the failure")[0]
    assert why in line, line
    assert f"r@{domain}" not in first.recipients() + second.recipients()
