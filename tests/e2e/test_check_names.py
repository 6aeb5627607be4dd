"""`postern check` and DNS: names that do not exist, hosts found by SRV and MX, MTA-STS, a resolver that is silent."""

import socket
import struct

import pytest

import fake_dns
from probe_tools import Faulty, check, make_certificates

TXT, AAAA, SRV = 16, 28, 33


class Dns(fake_dns.FakeDns):
    """Also SRV (priority, weight, port, host) and TXT."""

    def answer(self, query):
        head = super().answer(query)
        name, kind = self.asked[-1]
        zone = self.zones.get(name, {})
        records = []
        if kind == SRV:
            records = [struct.pack("!HHH", *entry[:3]) + fake_dns.wire_name(entry[3]) for entry in zone.get("srv", [])]
        elif kind == TXT:
            records = [bytes([len(text)]) + text.encode() for text in zone.get("txt", [])]
        elif kind == AAAA:
            records = [socket.inet_pton(socket.AF_INET6, address) for address in zone.get("aaaa", [])]
        else:
            return head
        return head[:6] + struct.pack("!H", len(records)) + head[8:] + b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data for data in records)


@pytest.fixture
def dns():
    made = []

    def make(zones):
        made.append(Dns(zones))
        return "--resolver", f"127.0.0.1:{made[-1].port}"

    yield make
    for server in made:
        server.close()


def test_names_and_addresses(dns):
    resolver = dns({"v4.example": {"a": ["127.0.0.1"]}, "nothing.example": {"a": []}})
    assert check("absent.example:587", *resolver, code=10)["failure"] == "no-such-name"
    assert check("nothing.example:587", *resolver, code=11)["failure"] == "no-address"
    assert check("v4.example:1", *resolver, "-6", code=11)["failure"] == "no-address"
    seen = check("v4.example:1", *resolver, code=20)
    assert seen["hosts"][0]["dns"]["addresses"] == ["127.0.0.1"]
    assert check("..:587", *resolver, code=10)["failure"] == "no-such-name"


def test_a_resolver_that_does_not_answer():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        seen = check("mail.example:587", "--resolver", f"127.0.0.1:{silent.getsockname()[1]}", "--timeout", "2", code=12)
    assert "in time" in seen["summary"] or "no answer" in seen["summary"]


def test_hosts_of_a_domain(dns, tmp_path):
    faulty = Faulty(make_certificates(tmp_path), "127.0.0.1", ["good", "implicit"])
    try:
        resolver = dns({"example.org": {"mx": [(10, "mx.test")]},
                        "_submission._tcp.example.org": {"srv": [(0, 1, faulty.ports["good"], "mail.test")]},
                        "_submissions._tcp.example.org": {"srv": [(0, 1, faulty.ports["implicit"], "mail.test")]},
                        "mail.test": {"a": ["127.0.0.1"]}, "mx.test": {"a": []}})
        seen = check("--from-domain", "example.org", *resolver, "--ca-file", tmp_path / "ca.pem", "--timeout", "10", code=11)
        found = {(h["host"], h["port"]): h["source"] for h in seen["domain"]["hosts"]}
        assert found == {("mail.test", faulty.ports["good"]): "SRV _submission._tcp",
                         ("mail.test", faulty.ports["implicit"]): "SRV _submissions._tcp", ("mx.test", 25): "MX"}
        assert [e["failure"] for h in seen["hosts"] for e in h["endpoints"]] == ["ok", "ok"]
        assert seen["domain"]["mta_sts"] == "none"
    finally:
        faulty.stop()


def test_a_domain_without_mail_and_a_broken_mta_sts(dns):
    resolver = dns({"empty.example": {"a": []}, "sts.example": {"mx": [(10, "mx.example")]}, "_mta-sts.sts.example": {"txt": ["v=STSv1; id=1;"]},
                    "mx.example": {"a": ["127.0.0.1"]}})
    assert check("--from-domain", "empty.example", *resolver, code=14)["failure"] == "no-service"
    broken = check("--from-domain", "sts.example", *resolver, "--timeout", "10")
    assert broken["domain"]["mta_sts"] == "broken" and "MTA-STS policy" in broken["findings"][0]["what"]
