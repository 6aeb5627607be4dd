"""Exim and OpenSMTPD as next hops: signed mail arrives with every octet, a busy mailbox is tried again."""

import hashlib
import os
import random
import smtplib
import ssl

import dkim
import pytest
from conftest import ADDRESS, PASSWORD, PATIENCE, eventually
from fake_dns import FakeDns
from peer_hops import EXIM, HOST, OPENSMTPD, EximHop, OpenSmtpdHop

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the peers need root and a mount namespace")
PEERS = [pytest.param(EximHop, marks=pytest.mark.skipif(not EXIM.exists(), reason="./dev test unpacks exim4-daemon-light")),
         pytest.param(OpenSmtpdHop, marks=pytest.mark.skipif(not OPENSMTPD.exists(), reason="./dev test unpacks opensmtpd"))]


@pytest.fixture(scope="module", params=PEERS)
def hop(request):
    peer = request.param()
    yield peer
    peer.stop()


@pytest.fixture
def server(make_postern, hop):
    dns = FakeDns({"example.net": {"mx": [(10, "mx.example.net")]}, "mx.example.net": {"a": [HOST]}})
    yield make_postern(f'[dns]\nservers = ["127.0.0.1:{dns.port}"]\ndnssec = false\n'
                       f'[delivery]\nmode = "direct"\nport = {hop.port}\n')
    dns.close()


def send(server, recipients, marker, body, kind="text/plain; charset=utf-8"):
    with smtplib.SMTP("localhost", server.submission, timeout=PATIENCE) as client:
        client.starttls(context=ssl.create_default_context(cafile=server.ca))
        client.login(ADDRESS, PASSWORD)
        header = f"From: {ADDRESS}\r\nSubject: {marker}\r\nMIME-Version: 1.0\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        client.sendmail(ADDRESS, recipients, header.encode() + body, ["BODY=8BITMIME"])


def body_of(message):
    return message[message.index(b"\r\n\r\n") + 4:]


def test_every_octet_arrives(server, hop):
    lines = random.Random(7)
    large = b"".join(bytes(lines.choice(b"abc. \t=\xc3\xa9\xe2\x82\xac\xff") for _ in range(lines.randint(0, 60))).rstrip() + b"\r\n"
                     for _ in range(60_000))
    for marker, body in (("m-dots", b".\r\n..\r\n.two\r\n\r\nend\r\n"), ("m-eight", "Grüße €\r\n".encode() + b"\xff\xfe\r\n"),
                         ("m-large", large)):
        send(server, ["friend@example.net"], marker, body)
        line_end = "\r\n" if isinstance(hop, EximHop) else "\n"
        subject, size = f"Subject: {marker}{line_end}".encode(), len(body)

        def whole():  # the file is there before its last octet
            found = hop.arrived(subject)
            return found if len(body_of(found)) >= size else None

        message = eventually(whole, f"all of {marker}")
        got = body_of(message)
        assert (len(got), hashlib.sha256(got).digest()) == (len(body), hashlib.sha256(body).digest()), marker
        assert dkim.verify(message, dnsfunc=server.dkim_record), marker
    eventually(lambda: server.cli_json("queue", "ls") == [], "an empty queue")
    assert "TLSv1.3" in server.cli("trace", "friend@example.net").stdout or isinstance(hop, OpenSmtpdHop)


def test_a_busy_mailbox_is_tried_again_and_the_others_get_theirs(server, hop):
    send(server, ["friend@example.net", "later@example.net"], "m-busy", b"hello\r\n")
    hop.arrived(b"Subject: m-busy")

    def waiting():
        return [to for message in server.cli_json("queue", "ls") for to in message["recipients"]
                if to["address"] == "later@example.net" and to["attempts"]]
    assert "busy" in eventually(waiting, "the first attempt")[0]["text"]
    if isinstance(hop, EximHop):
        hop.make_room()
    server.cli("queue", "retry", "--all")
    if isinstance(hop, EximHop):
        eventually(lambda: server.cli_json("queue", "ls") == [], "the second attempt")
        trace = server.cli("trace", "later@example.net").stdout
        assert "deferred" in trace and "delivered" in trace
    else:
        eventually(lambda: [to for to in waiting() if to["attempts"] == 2], "the second attempt")

