"""TLS reports (RFC 8460): what was counted is sent after its day, over a restart, by mail and by HTTPS, in the format of
the RFC, signed; and a domain with broken TLS gets it all the same."""

import datetime
import email
import email.policy
import gzip
import json
import sqlite3

import dkim
import pytest
from conftest import eventually, start_postern
from signed_zone import MISSING, SignedDns, Zone, free_port
from test_dane import send, told
from tls_hop import Authority, TlsHop, WebHost, private_address

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    directory = tmp_path_factory.mktemp("reports")
    authority = Authority(directory / "ca")
    port, tls_at, clear_at, web_at = free_port(), *(private_address() for _ in range(3))
    hop = TlsHop((tls_at, port), authority.issue("mx", "mx.signed.test"))
    clear = TlsHop((clear_at, port), None)
    web = WebHost(web_at, authority.issue("web", "reports.plain.test", "mta-sts.sts.plain.test"))
    web.pages["/v1/tlsrpt"] = (201, "text/plain", "thanks")
    web.pages["/.well-known/mta-sts.txt"] = (200, "text/plain", "version: STSv1\nmode: testing\nmx: mx.plain.test\nmax_age: 86400\n")
    good, tlsa = authority.spki_sha256("mx"), f"_{port}._tcp"
    wanted = "v=TLSRPTv1; rua=mailto:reports@"
    dns = SignedDns(directory / "dns", [
        Zone("signed.test", [
            f"good MX 10 mx", f"mx A {tls_at}", f"{tlsa}.mx TLSA 3 1 1 {good}", f'_smtp._tls.good TXT "{wanted}good.signed.test"',
            f"bad MX 10 mx-bad", f"mx-bad A {tls_at}", f"{tlsa}.mx-bad TLSA 3 1 1 {'00' * 32}",
            f'_smtp._tls.bad TXT "{wanted}bad.signed.test"']),
        Zone("plain.test", [
            f"sts MX 10 mx", f"mx A {clear_at}", f"reports A {web_at}", f"mta-sts.sts A {web_at}",
            '_mta-sts.sts TXT "v=STSv1; id=1"', '_smtp._tls.sts TXT "v=TLSRPTv1; rua=https://reports.plain.test/v1/tlsrpt"',
            f"silent MX 10 mx"], state="unsigned")])
    settings = dns.settings + f'[delivery]\nmode = "direct"\nport = {port}\n'
    settings += f'[tls_policies]\nca_file = "{authority.ca}"\nreport_spread = "0s"\nreport_organization = "Example Inc."\n'
    made = directory / "postern"
    made.mkdir()
    server = start_postern(made, settings)
    yield server, hop, clear, web
    server.stop()
    dns.stop()
    web.stop()


def move_to_yesterday(server):
    """What was counted today becomes yesterday's, so that it is due."""
    database = sqlite3.connect(server.data / "tls_sessions.db")
    rows = database.execute("SELECT day, domain, kind, count FROM sessions").fetchall()
    database.execute("DELETE FROM sessions")
    for day, domain, kind, count in rows:
        kind = json.loads(kind)
        kind[0] = day - 1
        database.execute("INSERT INTO sessions VALUES(?,?,?,?)", (day - 1, domain, json.dumps(kind).encode(), count))
    database.commit()
    database.close()
    return {row[1].decode() for row in rows}


def report_in(content):
    mail = email.message_from_bytes(content, policy=email.policy.default)
    parts = list(mail.iter_parts())
    assert parts[1].get_content_type() == "application/tlsrpt+gzip"
    return mail, parts, json.loads(gzip.decompress(parts[1].get_content()))


def test_reports_leave_after_the_day(world):
    server, hop, clear, web = world
    send(server, ["r@good.signed.test", "r@bad.signed.test", "r@sts.plain.test", "r@silent.plain.test"])
    for recipient, what in {"r@good.signed.test": "delivered", "r@bad.signed.test": "deferred", "r@sts.plain.test": "delivered",
                            "r@silent.plain.test": "delivered"}.items():
        assert what in told(server, recipient)
    eventually(lambda: len(server.cli_json("tls", "reports")) == 3, "what is counted")
    counted = {r["domain"]: r for r in server.cli_json("tls", "reports")}
    assert {(r["state"], r["sessions"]) for r in counted.values()} == {("pending", 1)}
    assert counted["bad.signed.test"]["failures"] == 1 and counted["good.signed.test"]["failures"] == 0
    server.stop()
    assert move_to_yesterday(server) == {"good.signed.test", "bad.signed.test", "sts.plain.test"}
    server.start()

    def mails_to(domain):
        return [mail for mail in hop.mails if mail["to"] == [f"reports@{domain}"]]
    eventually(lambda: mails_to("good.signed.test") and mails_to("bad.signed.test") and web.posted, "the three reports")
    yesterday = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)).strftime("%Y-%m-%d")

    sent = mails_to("good.signed.test")[0]
    mail, parts, report = report_in(sent["content"])
    assert sent["from"] == "" and mail["From"] == "postmaster@example.org" and mail["To"] == "reports@good.signed.test"
    assert mail.get_content_type() == "multipart/report" and mail.get_param("report-type") == "tlsrpt"
    assert mail["TLS-Report-Domain"] == "good.signed.test" and mail["TLS-Report-Submitter"] == "example.org"
    assert mail["Subject"] == f"Report Domain: good.signed.test Submitter: example.org Report-ID: <{report['report-id']}>"
    assert parts[0].get_content_type() == "text/plain"
    assert parts[1].get_filename().startswith("example.org!good.signed.test!") and parts[1].get_filename().endswith(".json.gz")
    assert dkim.verify(sent["content"], dnsfunc=server.dkim_record)
    assert b"l=" not in sent["content"].split(b"bh=")[0]
    assert report["organization-name"] == "Example Inc." and report["contact-info"] == "postmaster@example.org"
    assert report["date-range"] == {"start-datetime": f"{yesterday}T00:00:00Z", "end-datetime": f"{yesterday}T23:59:59Z"}
    (policy,) = report["policies"]
    assert policy["policy"]["policy-type"] == "tlsa" and policy["policy"]["policy-domain"] == "good.signed.test"
    assert policy["policy"]["policy-string"][0].startswith("3 1 1 ")
    assert policy["summary"] == {"total-successful-session-count": 1, "total-failure-session-count": 0}

    # Its hosts fail DANE: the report goes there all the same (RFC 8460 §3), and this session is not counted.
    sent = mails_to("bad.signed.test")[0]
    _, _, report = report_in(sent["content"])
    (policy,) = report["policies"]
    assert policy["summary"] == {"total-successful-session-count": 0, "total-failure-session-count": 1}
    (failure,) = policy["failure-details"]
    assert failure["result-type"] == "validation-failure" and failure["receiving-mx-hostname"] == "mx-bad.signed.test"
    assert failure["failed-session-count"] == 1 and failure["failure-reason-code"]
    assert failure["sending-mta-ip"].startswith("127.") and failure["receiving-ip"].startswith("127.")

    eventually(lambda: {r["state"] for r in server.cli_json("tls", "reports")} == {"sent"}, "all reports to be over")
    past = {r["domain"]: r for r in server.cli_json("tls", "reports")}
    assert past["good.signed.test"]["detail"] == "reports@good.signed.test" and past["good.signed.test"]["day"] == yesterday
    assert server.cli_json("tls", "show", "good.signed.test")["reports_to"] == ["mailto:reports@good.signed.test"]

    headers, body = web.posted[0]
    assert headers["Content-Type"] == "application/tlsrpt+gzip"
    (policy,) = json.loads(gzip.decompress(body))["policies"]
    assert policy["policy"]["policy-type"] == "sts" and policy["policy"]["mx-host"] == ["mx.plain.test"]
    assert "mode: testing" in policy["policy"]["policy-string"]
    assert [(f["result-type"], f["failed-session-count"]) for f in policy["failure-details"]] == [("starttls-not-supported", 1)]


def test_reports_are_not_reported(world):
    server = world[0]
    server.stop()
    assert move_to_yesterday(server) == set()
    server.start()
