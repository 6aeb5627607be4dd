"""`postern check` and what domains say about TLS: DNSSEC and TLSA records in a zone signed by ldns and served by NSD,
and an MTA-STS policy fetched from a real HTTPS host."""

import pytest
from probe_tools import check
from signed_zone import MISSING, SignedDns, Zone, free_port
from test_dane import FORGED
from tls_hop import Authority, TlsHop, WebHost, private_address

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

HOSTS = ("good", "wrong", "ta", "pkix", "none", "alias")
POLICY = "version: STSv1\nmode: {}\nmx: {}\nmax_age: 86400\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    directory = tmp_path_factory.mktemp("check-policies")
    authority = Authority(directory / "ca")
    port, at, mx_at, clear_at, web_at = free_port(), *(private_address() for _ in range(4))
    names = [f"{host}.secure.test" for host in HOSTS] + ["mx.forged.test", "mx.expired.test", "mx.plain.test", "mx.secure.test"]
    context = authority.issue("mx", *names)
    stranger = Authority(directory / "stranger").issue("other", "elsewhere.test")
    hops = [TlsHop((at, port), context, "250-AUTH PLAIN\r\n"), TlsHop((mx_at, 25), context), TlsHop((clear_at, 25), stranger)]
    web = WebHost(web_at, authority.issue("web", *(f"mta-sts.{d}.secure.test" for d in ("sts", "sts-bad", "sts-other"))))
    good, tlsa = authority.spki_sha256("mx"), f"_{port}._tcp"
    dns = SignedDns(directory / "dns", [
        Zone("secure.test", [
            f"good A {at}", f"{tlsa}.good TLSA 3 1 1 {good}", f"wrong A {at}", f"{tlsa}.wrong TLSA 3 1 1 {'00' * 32}",
            f"ta A {at}", f"{tlsa}.ta TLSA 2 0 1 {authority.ca_sha256()}",
            f"ta-name A {at}", f"{tlsa}.ta-name TLSA 2 0 1 {authority.ca_sha256()}",
            f"pkix A {at}", f"{tlsa}.pkix TLSA 0 0 1 {'00' * 32}", f"none A {at}", "alias CNAME good",
            f"mx A {mx_at}", f"mx-bad A {clear_at}",
            "sts MX 10 mx", '_mta-sts.sts TXT "v=STSv1; id=1"', f"mta-sts.sts A {web_at}",
            "sts-bad MX 10 mx-bad", '_mta-sts.sts-bad TXT "v=STSv1; id=1"', f"mta-sts.sts-bad A {web_at}",
        ]),
        Zone("forged.test", [f"mx A {at}", f"{tlsa}.mx TLSA 3 1 1 {good}"], forged=[(good, FORGED)]),
        Zone("expired.test", [f"mx A {at}"], state="expired"),
        Zone("plain.test", [f"mx A {at}", f"{tlsa}.mx TLSA 3 1 1 {good}"], state="unsigned")])
    options = ("--resolver", f"127.0.0.1:{dns.port}", "--trust-anchor", dns.anchor, "--ca-file", authority.ca, "--timeout", "15")
    yield port, options, web
    dns.stop()
    web.stop()
    for hop in hops:
        hop.shutdown()
        hop.server_close()


def look(world, host, code):
    port, options, _ = world
    seen = check(f"{host}:{port}", *options, "--no-relay-test", code=code)
    return seen["hosts"][0]["dns"]["dnssec"], seen["hosts"][0]["endpoints"][0].get("dane"), seen


def test_tlsa_records(world):
    assert look(world, "good.secure.test", 0)[:2] == ("secure", "matches")
    assert look(world, "ta.secure.test", 0)[:2] == ("secure", "matches")
    assert look(world, "alias.secure.test", 0)[:2] == ("secure", "matches")
    assert look(world, "none.secure.test", 0)[:2] == ("secure", "no-records")
    assert look(world, "pkix.secure.test", 0)[:2] == ("secure", "unusable")
    dnssec, dane, seen = look(world, "wrong.secure.test", 48)
    assert (dnssec, dane, seen["failure"]) == ("secure", "mismatch", "dane-mismatch")
    # DANE-TA needs the name as well (RFC 7672 §3.2.2).
    assert look(world, "ta-name.secure.test", None)[1] == "mismatch"


def test_what_dnssec_says(world):
    dnssec, dane, seen = look(world, "mx.forged.test", 13)
    assert (dnssec, dane, seen["failure"]) == ("secure", "bogus", "dnssec-bogus")
    dnssec, _, seen = look(world, "mx.expired.test", 13)
    assert (dnssec, seen["failure"]) == ("bogus", "dnssec-bogus")
    assert look(world, "mx.plain.test", 0)[:2] == ("insecure", None)


def test_a_policy_is_fetched_and_compared(world):
    _, options, web = world
    web.pages["/.well-known/mta-sts.txt"] = (200, "text/plain", POLICY.format("enforce", "mx.secure.test"))
    seen = check("--from-domain", "sts.secure.test", *options, "--no-relay-test", code=0)
    assert seen["domain"]["mta_sts"] == "enforce" and seen["domain"]["mta_sts_mx"] == ["mx.secure.test"]
    assert ("mta-sts.sts.secure.test", "/.well-known/mta-sts.txt") in web.asked
    # Another host than the policy says.
    web.pages["/.well-known/mta-sts.txt"] = (200, "text/plain", POLICY.format("enforce", "other.secure.test"))
    seen = check("--from-domain", "sts.secure.test", *options, "--no-relay-test", code=49)
    assert seen["failure"] == "mta-sts-mismatch"
    # The host the policy says, with a certificate that does not verify.
    web.pages["/.well-known/mta-sts.txt"] = (200, "text/plain", POLICY.format("enforce", "*.secure.test"))
    seen = check("--from-domain", "sts-bad.secure.test", *options, "--no-relay-test", code=49)
    assert seen["failure"] == "mta-sts-mismatch"
    web.pages["/.well-known/mta-sts.txt"] = (200, "text/plain", POLICY.format("testing", "*.secure.test"))
    assert check("--from-domain", "sts-bad.secure.test", *options, "--no-relay-test", code=0)["domain"]["mta_sts"] == "testing"
