"""MTA-STS (RFC 8461) against a real HTTPS policy host: enforce, testing, a host outside the policy, certificates that do
not verify, a policy host that fails, and the cache over a restart."""

import re
import time
import urllib.request

import pytest
from conftest import ADDRESS, eventually, start_postern
from signed_zone import MISSING, SignedDns, Zone, free_port
from test_dane import send, told
from tls_hop import Authority, TlsHop, WebHost, private_address

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

PATH = "/.well-known/mta-sts.txt"
DOMAINS = ("enforce", "testing", "outside", "wrong-name", "stripped", "html", "untrusted", "moved", "none")


def policy(mode, *mx, max_age=86400):
    return "version: STSv1\r\n" + f"mode: {mode}\r\n" + "".join(f"mx: {each}\r\n" for each in mx) + f"max_age: {max_age}\r\n"


class Policies(WebHost):
    """One page for all domains, by the Host field."""

    def __init__(self, address, context):
        self.by_domain = {}
        super().__init__(address, context)
        handler = self.server.RequestHandlerClass
        original = handler.answer

        def answer(request):
            domain = request.headers["Host"].removeprefix("mta-sts.")
            self.pages[PATH] = self.by_domain.get(domain, (404, "text/plain", "none"))
            original(request)

        handler.answer = answer


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    directory = tmp_path_factory.mktemp("sts")
    authority, stranger = Authority(directory / "ca"), Authority(directory / "stranger")
    port, tls_at, clear_at, web_at, bad_web_at = free_port(), *(private_address() for _ in range(4))
    hop = TlsHop((tls_at, port), authority.issue("mx", "mx.sts.test"))
    clear = TlsHop((clear_at, port), None)
    web = Policies(web_at, authority.issue("web", *(f"mta-sts.{d}.sts.test" for d in DOMAINS)))
    bad_web = Policies(bad_web_at, stranger.issue("web", "mta-sts.untrusted.sts.test"))
    records = [f"mx A {tls_at}", f"other A {tls_at}", f"clear A {clear_at}"]
    hosts = {"outside": "other", "wrong-name": "other", "stripped": "clear", "testing": "clear", "html": "clear",
             "untrusted": "clear", "moved": "clear", "none": "clear"}
    for domain in DOMAINS:
        records += [f"{domain} MX 10 {hosts.get(domain, 'mx')}", f'_mta-sts.{domain} 1 TXT "v=STSv1; id=1{domain.replace("-", "")};"',
                    f"mta-sts.{domain} A {bad_web_at if domain == 'untrusted' else web_at}"]
    dns = SignedDns(directory / "dns", [Zone("sts.test", records, state="unsigned")])

    def page(text, status=200, kind="text/plain"):
        return status, kind, text

    web.by_domain.update({
        "enforce.sts.test": page(policy("enforce", "mx.sts.test")),
        "testing.sts.test": page(policy("testing", "mx.sts.test")),
        "outside.sts.test": page(policy("enforce", "mx.sts.test")),
        "wrong-name.sts.test": page(policy("enforce", "*.sts.test")),
        "stripped.sts.test": page(policy("enforce", "clear.sts.test")),
        "html.sts.test": page(policy("enforce", "mx.sts.test"), kind="text/html"),
        "moved.sts.test": page("", status=301),
        "none.sts.test": page(policy("none"))})
    bad_web.by_domain["untrusted.sts.test"] = page(policy("enforce", "mx.sts.test"))
    made = directory / "postern"
    made.mkdir()
    server = start_postern(made, dns.settings + f'[delivery]\nmode = "direct"\nport = {port}\n[tls_policies]\nca_file = "{authority.ca}"\n')
    yield server, hop, clear, web, dns
    server.stop()
    dns.stop()
    web.stop()
    bad_web.stop()


DELIVERED = {"enforce": "verified by pkix (mta-sts enforce)", "testing": "cleartext (delivery.tls", "html": "cleartext",
             "untrusted": "cleartext", "moved": "cleartext", "none": "cleartext"}
DEFERRED = {"outside": "the MTA-STS policy of outside.sts.test does not name this host", "wrong-name": "TLS: certificate",
            "stripped": "does not offer STARTTLS"}


def test_policies_decide(world):
    server, hop, clear, web, _ = world
    send(server, [f"r@{domain}.sts.test" for domain in (*DELIVERED, *DEFERRED)])
    for domain, how in DELIVERED.items():
        line = told(server, f"r@{domain}.sts.test")
        assert "delivered" in line and how in line, f"{domain}: {line}"
    for domain, why in DEFERRED.items():
        line = told(server, f"r@{domain}.sts.test")
        assert "deferred" in line and why in line, f"{domain}: {line}"
    assert sorted(hop.recipients() + clear.recipients()) == sorted(f"r@{d}.sts.test" for d in DELIVERED)
    assert hop.mails[0]["sni"] == "mx.sts.test"
    assert all(asked.startswith("mta-sts.") and path == PATH for asked, path in web.asked)


def test_explain_tells_the_policy(world):
    server = world[0]
    lines = server.cli_json("explain", "--from", ADDRESS, "--to", "r@enforce.sts.test")["tls"]
    assert lines == ["MTA-STS of enforce.sts.test: enforce, mx mx.sts.test", "mx.sts.test: required (mta-sts enforce)"]
    lines = server.cli_json("explain", "--from", ADDRESS, "--to", "r@outside.sts.test")["tls"]
    assert "other.sts.test: not used now" in lines[1]


def test_operators_see_what_is_cached_and_what_a_domain_wants(world):
    server = world[0]
    cached = {p["domain"]: p for p in server.cli_json("tls", "policies")}
    assert cached["enforce.sts.test"]["mode"] == "enforce" and cached["enforce.sts.test"]["mx"] == ["mx.sts.test"]
    assert cached["enforce.sts.test"]["expires_at"] > cached["enforce.sts.test"]["fetched_at"]
    shown = server.cli_json("tls", "show", "Someone@enforce.sts.test")
    assert shown["hosts"] == [{"host": "mx.sts.test", "tls": "required (mta-sts enforce)"}] and not shown["dnssec"]
    assert shown["mta_sts"]["id"] == cached["enforce.sts.test"]["id"] and shown["reports_to"] == []
    assert "not used now" in server.cli_json("tls", "show", "outside.sts.test")["hosts"][0]["tls"]
    assert re.search(r"^enforce\.sts\.test  enforce  mx mx\.sts\.test  fetched ", server.cli("tls", "policies").stdout, re.MULTILINE)
    with urllib.request.urlopen(f"http://127.0.0.1:{server.admin}/metrics", timeout=20) as page:
        assert re.search(r'^postern_tls_policy_fetches_total{result="ok"} [1-9]', page.read().decode(), re.MULTILINE)


def test_the_cache_outlives_a_restart_and_the_policy_host(world):
    server, hop, _, web, _ = world
    server.stop()
    asked = len(web.asked)
    web.by_domain["enforce.sts.test"] = (500, "text/plain", "broken")
    server.start()
    send(server, ["again@enforce.sts.test"])
    eventually(lambda: "again@enforce.sts.test" in hop.recipients(), "the second mail")
    assert "verified by pkix (mta-sts enforce)" in told(server, "again@enforce.sts.test")
    assert len(web.asked) == asked


def test_a_repaired_policy_lets_the_waiting_mail_go(world):
    server, hop, clear, web, dns = world
    assert "r@stripped.sts.test" not in clear.recipients()
    web.by_domain["stripped.sts.test"] = (200, "text/plain", policy("testing", "clear.sts.test"))
    dns.change("sts.test", "id=1stripped;", "id=2;")
    time.sleep(1)  # the TTL of the record: our resolver believes the old one so long
    for entry in server.cli_json("queue", "ls"):
        server.cli("queue", "retry", entry["id"])
    eventually(lambda: "r@stripped.sts.test" in clear.recipients(), "the mail that waited for a policy")
    assert "r@outside.sts.test" not in hop.recipients()
