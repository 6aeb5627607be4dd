"""DANE towards mail hosts (RFC 7672), with a zone signed by ldns and served by NSD: what is signed, expired, forged,
mismatching or unsigned decides who gets mail, and how trace and explain say it."""

import hashlib
import smtplib
import ssl

import pytest
from conftest import ADDRESS, PASSWORD, eventually, start_postern
from signed_zone import MISSING, SignedDns, Zone, free_port
from tls_hop import Authority, TlsHop, private_address

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

FORGED = "f0" * 32


def send(server, recipients):
    context = ssl.create_default_context(cafile=server.ca)
    with smtplib.SMTP_SSL("localhost", server.submissions, timeout=20, context=context) as client:
        client.login(ADDRESS, PASSWORD)
        client.sendmail(ADDRESS, recipients, f"From: {ADDRESS}\r\nSubject: dane\r\n\r\nbody\r\n")


def told(server, recipient):
    """The first thing that history says about an attempt to reach `recipient`."""
    def look():
        lines = server.cli("trace", recipient, ok=False).stdout.splitlines()
        return [line for line in lines if "delivered" in line or "deferred" in line or "failed" in line]
    return eventually(look, f"an attempt to reach {recipient}")[0]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    directory = tmp_path_factory.mktemp("dane")
    authority = Authority(directory / "ca")
    secured = authority.issue("mx", "mx.secure.test", "ta-by-domain.secure.test")
    port, tls_at, clear_at = free_port(), private_address(), private_address()
    hop, clear = TlsHop((tls_at, port), secured), TlsHop((clear_at, port), None)
    good, strong, other = authority.spki_sha256("mx"), authority.spki_sha256("mx", hashlib.sha512), "00" * 32
    tlsa = f"_{port}._tcp"
    dns = SignedDns(directory / "dns", [
        Zone("secure.test", [
            # A mail host that is what its TLSA record says; the certificate has another name, which DANE-EE ignores.
            "good MX 10 mx-ee", f"mx-ee A {tls_at}", f"{tlsa}.mx-ee TLSA 3 1 1 {good}",
            "mismatch MX 10 mx-wrong", f"mx-wrong A {tls_at}", f"{tlsa}.mx-wrong TLSA 3 1 1 {other}",
            # The first host is not what DNS says, the second is.
            "second MX 10 mx-wrong", "second MX 20 mx-ee",
            "ta MX 10 mx", f"mx A {tls_at}", f"{tlsa}.mx TLSA 2 0 1 {authority.ca_sha256()}",
            f"ta-wrong-name MX 10 mx-ta", f"mx-ta A {tls_at}", f"{tlsa}.mx-ta TLSA 2 0 1 {authority.ca_sha256()}",
            # The certificate names the recipient's domain instead of the host (RFC 7672 §3.2.2).
            "ta-by-domain MX 10 mx-ta",
            "unusable MX 10 mx-pkix", f"mx-pkix A {tls_at}", f"{tlsa}.mx-pkix TLSA 0 0 1 {other}",
            "unusable-clear MX 10 mx-pkix-clear", f"mx-pkix-clear A {clear_at}", f"{tlsa}.mx-pkix-clear TLSA 1 1 1 {good}",
            "stripped MX 10 mx-stripped", f"mx-stripped A {clear_at}", f"{tlsa}.mx-stripped TLSA 3 1 1 {good}",
            # RFC 7671 §9: of two digests the stronger counts.
            "agile MX 10 mx-agile", f"mx-agile A {tls_at}", f"{tlsa}.mx-agile TLSA 3 1 1 {other}", f"{tlsa}.mx-agile TLSA 3 1 2 {strong}",
            "stale MX 10 mx-stale", f"mx-stale A {tls_at}", f"{tlsa}.mx-stale TLSA 3 1 1 {good}", f"{tlsa}.mx-stale TLSA 3 1 2 {other * 2}",
            # During a key roll-over there are two records, one of which fits.
            "roll MX 10 mx-roll", f"mx-roll A {tls_at}", f"{tlsa}.mx-roll TLSA 3 1 1 {good}", f"{tlsa}.mx-roll TLSA 3 1 1 {other}",
            "none MX 10 mx-none", f"mx-none A {clear_at}",
            "alias MX 10 mx-alias", "mx-alias CNAME mx-ee",
            "alias-out MX 10 mx-alias-out", "mx-alias-out CNAME host.plain.test.", f"{tlsa}.mx-alias-out TLSA 3 1 1 {other}",
            "forged MX 10 mx.forged.test.", "expired MX 10 mx.expired.test.", "plain MX 10 host.plain.test.",
        ]),
        Zone("forged.test", [f"mx A {tls_at}", f"{tlsa}.mx TLSA 3 1 1 {good}"], forged=[(good, FORGED)]),
        Zone("expired.test", [f"@ MX 10 mx", f"mx A {tls_at}", f"{tlsa}.mx TLSA 3 1 1 {good}"], state="expired"),
        Zone("plain.test", [f"@ MX 10 host", f"host A {clear_at}", f"{tlsa}.host TLSA 3 1 1 {other}"], state="unsigned"),
    ])
    settings = dns.settings + f'[delivery]\nmode = "direct"\nport = {port}\n[tls_policies]\nca_file = "{authority.ca}"\n'
    settings += '[[route]]\nname = "lenient"\nto = ["mismatch-but-routed@mismatch.secure.test"]\ntls = "opportunistic"\n'
    settings += '[[route]]\nname = "strict"\nto = ["strict@none.secure.test", "strict@good.secure.test"]\ntls = "dane"\n'
    made = directory / "postern"
    made.mkdir()
    server = start_postern(made, settings)
    yield server, hop, clear, tls_at
    server.stop()
    dns.stop()
    hop.shutdown()
    clear.shutdown()


DELIVERED = {
    "good.secure.test": "verified by dane-ee (dane)",
    "second.secure.test": "verified by dane-ee (dane)",
    "ta.secure.test": "verified by dane-ta (dane)",
    "ta-by-domain.secure.test": "verified by dane-ta (dane)",
    "unusable.secure.test": "unverified (dane, no usable TLSA record)",
    "agile.secure.test": "verified by dane-ee (dane)",
    "roll.secure.test": "verified by dane-ee (dane)",
    "none.secure.test": "cleartext (delivery.tls)",
    "alias.secure.test": "verified by dane-ee (dane)",
    "plain.test": "cleartext (delivery.tls)",
    "plain.secure.test": "cleartext (delivery.tls)",
}
DEFERRED = {
    "mismatch.secure.test": "TLS: certificate",
    "ta-wrong-name.secure.test": "TLS: certificate",
    "stale.secure.test": "TLS: certificate",
    "unusable-clear.secure.test": "does not offer STARTTLS",
    "stripped.secure.test": "does not offer STARTTLS",
    "alias-out.secure.test": "does not offer STARTTLS",  # its own name is signed and has TLSA: TLS or nothing
    "forged.secure.test": "TLSA",
    "expired.secure.test": "DNS",
    "expired.test": "DNS",
}


def test_who_gets_mail_and_what_trace_says(world):
    server, hop, clear, _ = world
    send(server, [f"r@{domain}" for domain in (*DELIVERED, *DEFERRED)])
    for domain, how in DELIVERED.items():
        line = told(server, f"r@{domain}")
        assert "delivered" in line and how in line, f"{domain}: {line}"
    for domain, why in DEFERRED.items():
        line = told(server, f"r@{domain}")
        assert "deferred" in line and why in line, f"{domain}: {line}"
    taken = hop.recipients() + clear.recipients()
    assert sorted(taken) == sorted(f"r@{domain}" for domain in DELIVERED)
    # RFC 7672 §8.1: SNI is the TLSA base domain, of an alias what it stands for.
    names = {mail["to"][0]: mail["sni"] for mail in hop.mails}
    assert names["r@good.secure.test"] == "mx-ee.secure.test" and names["r@alias.secure.test"] == "mx-ee.secure.test"
    assert names["r@ta.secure.test"] == "mx.secure.test"
    assert all(mail["tls"] for mail in hop.mails)


def test_the_tls_of_a_route_is_the_last_word(world):
    server, hop, clear, _ = world
    send(server, ["mismatch-but-routed@mismatch.secure.test", "strict@none.secure.test", "strict@good.secure.test"])
    assert "unverified (route lenient)" in told(server, "mismatch-but-routed@mismatch.secure.test")
    assert "no TLSA record" in told(server, "strict@none.secure.test")
    assert "verified by dane-ee (dane)" in told(server, "strict@good.secure.test")
    assert "strict@none.secure.test" not in clear.recipients()


def test_explain_says_which_policy_applies(world):
    server = world[0]
    def tls(recipient):
        return " | ".join(server.cli_json("explain", "--from", ADDRESS, "--to", recipient)["tls"])
    assert "mx-ee.secure.test: required (dane), 1 TLSA records of mx-ee.secure.test" in tls("r@good.secure.test")
    assert "no usable TLSA record" in tls("r@unusable.secure.test")
    assert "mx.forged.test: not used now: TLSA records" in tls("r@forged.secure.test")
    assert tls("r@plain.test") == "opportunistic (delivery.tls)"
    assert "opportunistic (route lenient)" in tls("mismatch-but-routed@mismatch.secure.test")
