"""Where mail goes and in which order: routes, retries per recipient, reports, explain, and fairness between accounts."""

import email
import email.policy
import os
import smtplib
import socket
import ssl
import time

import pytest
from fake_dns import FakeDns
from scripted_hop import PASSWORD, Hop, Server, hop, server, wait_until  # noqa: F401 (fixtures)

ALICE = "alice@example.org"
NEWS = "news@example.org"
READERS = int(os.environ.get("POSTERN_TEST_READERS", "20000"))  # 100000: the figure the project promises


def send(server, recipients, sender=ALICE, options=(), subject="hello"):
    tls = ssl.create_default_context(cafile=server.directory / "cert.pem")
    with smtplib.SMTP_SSL("localhost", server.ports["submissions"][0], timeout=30, context=tls) as client:
        client.login(sender, PASSWORD)
        client.sendmail(sender, list(recipients), f"From: {sender}\r\nSubject: {subject}\r\n\r\nbody\r\n",
                        rcpt_options=list(options))


def reports(hop):
    return [email.message_from_bytes(body, policy=email.policy.default) for sender, _, body in hop.mails
            if b"<>" in sender]


def reconfigured(tmp_path, hop, more, replace=()):
    made = Server(tmp_path, hop)
    text = made.config.read_text()
    for old, new in replace:
        assert old in text
        text = text.replace(old, new)
    made.config.write_text(text + more)
    made.start()
    return made


def test_three_of_a_hundred_defer_and_only_these_are_tried_again(server, hop):
    hop.rcpt_reply = lambda line: b"450 4.2.1 busy" if b"later" in line else b"250 2.1.5 ok"
    send(server, [f"r{i}@example.net" for i in range(97)] + [f"later{i}@example.net" for i in range(3)])
    wait_until(lambda: hop.mails, "the 97")
    assert len(hop.mails[0][1]) == 97
    left = wait_until(lambda: [m for m in server.json("queue", "ls") if not m["active"]], "the rest")
    assert len(left[0]["recipients"]) == 3
    hop.rcpt_reply = lambda line: b"250 2.1.5 ok"
    server.cli("queue", "retry", left[0]["id"])
    wait_until(lambda: len(hop.mails) == 2, "the three")
    assert len(hop.mails[1][1]) == 3 and all(b"later" in line for line in hop.mails[1][1])


def test_success_is_reported_for_a_hop_without_dsn_and_failure_in_plain_words(tmp_path, hop, monkeypatch):
    original = Hop.Session.handle

    def without_dsn(self):
        write = self.wfile.write
        self.wfile.write = lambda data: write(data.replace(b"8BITMIME\r\n250 DSN", b"8BITMIME\r\n250 HELP"))
        original(self)

    monkeypatch.setattr(Hop.Session, "handle", without_dsn)
    made = reconfigured(tmp_path, hop, "")
    hop.rcpt_reply = lambda line: b"550 5.1.1 no such user" if b"nobody" in line else b"250 2.1.5 ok"
    try:
        send(made, ["bob@example.net", "nobody@example.net"], options=["NOTIFY=SUCCESS,FAILURE"])
        wait_until(lambda: len(reports(hop)) == 2, "two reports")
    finally:
        made.stop()
    by_action = {}
    for report in reports(hop):
        human, status, original_part = report.iter_parts()
        groups = status.get_payload()
        by_action[groups[1]["Action"]] = (human.get_content(), groups[1])
        assert report["Auto-Submitted"] == "auto-replied"
    assert by_action["relayed"][1]["Final-Recipient"] == "rfc822; bob@example.net"
    assert by_action["relayed"][1]["Status"].startswith("2.")
    words, group = by_action["failed"]
    assert "does not know this address" in words and group["Status"] == "5.1.1"


def test_routes_hold_discard_and_go_elsewhere_by_sender(tmp_path, hop):
    other = Hop()
    made = reconfigured(tmp_path, hop, f"""
[smarthost.other]
host = "127.0.0.1"
port = {other.server_address[1]}
tls = "none"
[[route]]
name = "partners"
to = ["*.partner.example", "partner.example"]
action = "smarthost"
smarthost = "other"
[[route]]
to = ["drop.example"]
action = "discard"
[[route]]
name = "look first"
to = ["held.example"]
action = "hold"
""")
    try:
        send(made, ["a@partner.example", "b@x.partner.example", "c@drop.example", "d@held.example", "e@example.net"])
        wait_until(lambda: other.mails and hop.mails, "both hops")
        assert len(other.mails[0][1]) == 2 and len(hop.mails[0][1]) == 1
        held = wait_until(lambda: [m for m in made.json("queue", "ls") if not m["active"]], "the held one")[0]
        assert [(r["address"], r["state"]) for r in held["recipients"]] == [("d@held.example", "held")]
        assert any("held by route look first" in e["detail"] for e in made.json("trace", held["id"]))
        explained = made.json("explain", "--from", ALICE, "--to", "x@partner.example")
        assert explained["route"] == ["partners: smarthost other"]
        assert explained["tries"] == [f"127.0.0.1 127.0.0.1:{other.server_address[1]}"]
        assert explained["signing"][0].startswith("DKIM d=example.org s=")
        tested = made.json("smarthost", "test", "other")
        assert tested["works"] and any(s["text"].startswith("EHLO") for s in tested["steps"])
    finally:
        made.stop()
        other.shutdown()
        other.server_close()


def test_explain_tells_the_hosts_of_a_domain_and_why_there_are_none(tmp_path, hop):
    dns = FakeDns({"example.net": {"mx": [(20, "b.example.net"), (10, "a.example.net")]},
                   "a.example.net": {"a": ["198.51.100.1"]}, "b.example.net": {"a": ["198.51.100.2"]},
                   "null.example": {"mx": [(0, "")]}})
    made = Server(tmp_path, hop)
    made.config.write_text(made.config.read_text().replace('mode = "smarthost"\nsmarthost = "hop"', 'mode = "direct"')
                           + f'[dns]\nservers = ["127.0.0.1:{dns.port}"]\ndnssec = false\n')
    try:
        found = made.json("explain", "--from", ALICE, "--to", "bob@Example.net")
        assert found["hosts"] == ["10 a.example.net", "20 b.example.net"]
        assert found["tries"] == ["a.example.net 198.51.100.1:25", "b.example.net 198.51.100.2:25"]
        assert found["tls"] == ["opportunistic (delivery.tls)"]
        assert "5.1.10" in made.json("explain", "--from", ALICE, "--to", "x@null.example")["hosts"][0]
        assert "5.1.2" in made.json("explain", "--from", ALICE, "--to", "x@missing.example")["hosts"][0]
        assert "refused at MAIL" in made.json("explain", "--from", "x@other.example", "--to", "b@null.example")["sender"][0]
    finally:
        dns.close()


def test_a_preset_is_what_a_smarthost_begins_with(tmp_path, hop):
    made = Server(tmp_path, hop)
    made.config.write_text(made.config.read_text() + '[smarthost.mine]\npreset = "gmail"\nmax_connections = 2\n')
    assert {s["name"]: s["host"] for s in made.json("smarthost", "ls")}["mine"] == "smtp.gmail.com"
    made.config.write_text(made.config.read_text().replace('"gmail"', '"gmial"'))
    refused = made.cli("config", "check", check=False)
    assert refused.returncode != 0 and "preset must be one of" in refused.stderr


def test_a_newsletter_does_not_delay_another_senders_mail(tmp_path, hop):
    """READERS recipients of a bulk account are under way; another account's mail is at the hop within a second of its 250."""
    made = reconfigured(tmp_path, hop, "")
    try:
        made.cli("account", "add", NEWS, "--class", "bulk", "--password-stdin", input=PASSWORD + "\n")
        tls = ssl.create_default_context(cafile=made.directory / "cert.pem")
        submit_newsletter(made, tls)
        assert len(hop.mails) < READERS // 100, "the newsletter is gone before the other mail came"
        delays = []
        for i in range(5):
            send(made, [f"bob{i}@example.net"], subject=f"reset {i}")
            accepted = time.monotonic()
            wait_until(lambda: any(f"Subject: reset {i}".encode() in m[2] for m in hop.mails[-200:]), "the other mail")
            delays.append(time.monotonic() - accepted)
        assert sorted(delays)[2] < 1.0, delays
        wait_until(lambda: sum(len(m[1]) for m in hop.mails) == READERS + 5, "all of the newsletter")
    finally:
        made.stop()


def submit_newsletter(made, tls):
    """READERS recipients, a thousand a message, pipelined on one connection."""
    with smtplib.SMTP_SSL("localhost", made.ports["submissions"][0], timeout=60, context=tls) as client:
        client.login(NEWS, PASSWORD)
        for first in range(0, READERS, 1000):
            rcpts = "".join(f"RCPT TO:<reader{i}@example.net>\r\n" for i in range(first, first + 1000))
            client.send(f"MAIL FROM:<{NEWS}>\r\n{rcpts}DATA\r\n")
            codes = [client.getreply()[0] for _ in range(1002)]
            assert codes[-1] == 354 and set(codes[:-1]) == {250}
            client.send(f"From: {NEWS}\r\nSubject: news\r\n\r\n" + "text\r\n" * 100 + ".\r\n")
            assert client.getreply()[0] == 250
