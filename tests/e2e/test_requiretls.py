"""REQUIRETLS (RFC 8689): only to hosts that DNSSEC or MTA-STS vouches for, that prove their name and keep it; else back to the sender."""

import email
import email.policy
import smtplib
import ssl

import pytest
from conftest import ADDRESS, PASSWORD, eventually, start_postern
from signed_zone import MISSING, SignedDns, Zone, free_port
from test_mta_sts import Policies, policy
from tls_hop import Authority, TlsHop, private_address

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
KEEPS = "250-REQUIRETLS\r\n"
# Domains without DNSSEC, and the policy of each.
STS = {"vouched": policy("enforce", "good.plain.test"), "by-star": policy("enforce", "*.plain.test"), "on-trial": policy("testing", "good.plain.test")}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    directory = tmp_path_factory.mktemp("requiretls")
    authority = Authority(directory / "ca")
    good, other = authority.issue("good", "good.secure.test", "good-forgets.secure.test", "good.plain.test", "implicit.plain.test"), authority.issue("other", "x.test")
    port = free_port()
    hops = {"keeps": TlsHop((private_address(), port), good, KEEPS), "forgets": TlsHop((private_address(), port), good),
            "stranger": TlsHop((private_address(), port), other, KEEPS), "clear": TlsHop((private_address(), port), None)}
    at = {name: hop.server_address[0] for name, hop in hops.items()}
    key = authority.spki_sha256("other")
    web_at = private_address()
    web = Policies(web_at, authority.issue("web", *(f"mta-sts.{name}.plain.test" for name in STS)))
    web.by_domain.update({f"{name}.plain.test": (200, "text/plain", text) for name, text in STS.items()})
    announced = [line for name in STS for line in (f"{name} MX 10 good", f'_mta-sts.{name} TXT "v=STSv1; id=1;"', f"mta-sts.{name} A {web_at}")]
    dns = SignedDns(directory / "dns", [
        Zone("secure.test", [
            "pkix MX 10 good", f"good A {at['keeps']}",
            # DANE-EE does not look at names.
            "dane MX 10 dane-host", f"dane-host A {at['stranger']}", f"_{port}._tcp.dane-host TLSA 3 1 1 {key}",
            "stranger MX 10 stranger-host", f"stranger-host A {at['stranger']}",
            "clear MX 10 clear-host", f"clear-host A {at['clear']}",
            "forgets MX 10 good-forgets", f"good-forgets A {at['forgets']}",
            # The first host is of no use, the second is.
            "second MX 10 clear-host", "second MX 20 good",
        ]),
        Zone("plain.test", ["unsigned MX 10 good", f"good A {at['keeps']}", f"implicit A {at['keeps']}", *announced], state="unsigned"),
    ])
    settings = dns.settings + f'[delivery]\nmode = "direct"\nport = {port}\n[tls_policies]\nca_file = "{authority.ca}"\n'
    settings += f'[[route]]\nto = ["example.org"]\naction = "smarthost"\nsmarthost = "home"\n'
    settings += f'[smarthost.home]\nhost = "{at["clear"]}"\nport = {port}\ntls = "none"\n'
    made = directory / "postern"
    made.mkdir()
    server = start_postern(made, settings)
    yield server, hops
    server.stop()
    dns.stop()
    web.stop()
    for hop in hops.values():
        hop.shutdown()


def send(server, recipient, options=("REQUIRETLS",)):
    with smtplib.SMTP_SSL("localhost", server.submissions, timeout=20, context=ssl.create_default_context(cafile=server.ca)) as client:
        client.login(ADDRESS, PASSWORD)
        client.sendmail(ADDRESS, [recipient], f"From: {ADDRESS}\r\nSubject: x\r\n\r\nthe secret\r\n", mail_options=list(options))


@pytest.mark.parametrize("domain, hop", [("pkix.secure.test", "keeps"), ("dane.secure.test", "stranger"),
                                         ("second.secure.test", "keeps"), ("implicit.plain.test", "keeps"),
                                         ("vouched.plain.test", "keeps"), ("by-star.plain.test", "keeps")])
def test_goes_where_it_is_kept(world, domain, hop):
    server, hops = world
    send(server, f"r@{domain}")
    mail = eventually(lambda: [m for m in hops[hop].mails if m["to"] == [f"r@{domain}"]], "the mail")[0]
    assert mail["tls"] and " REQUIRETLS" in mail["mail"]


@pytest.mark.parametrize("domain, status", [("stranger.secure.test", "5.7.10"), ("clear.secure.test", "5.7.10"),
                                            ("unsigned.plain.test", "5.7.10"), ("on-trial.plain.test", "5.7.10"), ("forgets.secure.test", "5.7.30")])
def test_comes_back_where_it_is_not(world, domain, status):
    server, hops = world
    send(server, f"r@{domain}")

    def returned():
        return [m for m in hops["clear"].mails if m["from"] == "" and f"r@{domain}".encode() in m["content"]]
    report = eventually(returned, "the report")[0]
    parts = email.message_from_bytes(report["content"], policy=email.policy.default).get_payload()
    assert parts[1].get_payload()[1]["Status"] == status
    assert b"the secret" not in report["content"]
    assert not [m for hop in hops.values() for m in hop.mails if m["to"] == [f"r@{domain}"]]


def test_without_the_parameter_the_same_hosts_take_it(world):
    server, hops = world
    send(server, "plain@clear.secure.test", options=())
    eventually(lambda: [m for m in hops["clear"].mails if m["to"] == ["plain@clear.secure.test"]], "the mail")
