"""The log: one JSON object a line; who, which session, which mail; nothing secret, nothing forged, nothing without bound."""

import base64
import json
import smtplib
import socket

from conftest import ADDRESS, PASSWORD, eventually

BODY = "the body is nobody's business"
SECRET = "not-the-password-4711"


def log_text(server):
    return (server.directory / "server.log").read_bytes()


def events(server, name=None):
    found = [json.loads(line) for line in log_text(server).splitlines()]
    return [e for e in found if name in (None, e["event"])]


def send(server, subject="hello"):
    with smtplib.SMTP("127.0.0.1", server.submission, timeout=20) as client:
        client.starttls()
        client.login(ADDRESS, PASSWORD)
        client.sendmail(ADDRESS, ["bob@example.net"], f"From: {ADDRESS}\r\nSubject: {subject}\r\n\r\n{BODY}\r\n")


def test_a_mail_can_be_followed_by_its_ids(postern):
    send(postern)
    delivered = eventually(lambda: events(postern, "delivery.delivered"), "the delivery's line")[0]
    accepted = events(postern, "queue.accepted") or events(postern, "submission.accepted") or events(postern, "intake.accepted")
    assert accepted, [e["event"] for e in events(postern)]
    login = events(postern, "submission.auth_ok")[0]
    assert accepted[0]["queue_id"] == delivered["queue_id"]
    assert accepted[0]["session_id"] == login["session_id"]
    for event in events(postern):
        assert {"t", "level", "event"} <= event.keys()


def test_no_secrets_and_no_contents(postern):
    send(postern, subject="a private matter")
    client = smtplib.SMTP("127.0.0.1", postern.submission, timeout=20)
    client.starttls()
    client.ehlo()
    wrong = base64.b64encode(f"\0{ADDRESS}\0{SECRET}".encode()).decode()
    assert client.docmd("AUTH", "PLAIN " + wrong)[0] == 535
    client.docmd("AUTH", "PLAIN not*base64" + SECRET)
    client.close()
    eventually(lambda: events(postern, "delivery.delivered"), "the delivery's line")
    text = log_text(postern)
    for secret in (PASSWORD, SECRET, wrong, BODY, "private matter", base64.b64encode(PASSWORD.encode()).decode()):
        assert secret.encode() not in text, secret


def test_what_clients_send_cannot_forge_or_garble_a_line(postern):
    forged = b'x","event":"forged","y":"\x1b[31m\x7f\xff'
    with socket.create_connection(("127.0.0.1", postern.submission), timeout=20) as client:
        client.recv(1000)
        for line in (b"EHLO " + forged, b"MAIL FROM:<" + forged + b">", b"AUTH PLAIN " + forged, forged):
            client.sendall(line + b"\r\n")
            client.recv(1000)
    send(postern)
    eventually(lambda: events(postern, "delivery.delivered"), "the delivery's line")
    assert not events(postern, "forged")
    assert not [octet for octet in log_text(postern) if octet < 0x20 and octet != 0x0A or octet == 0x7F]


def test_one_connection_cannot_fill_the_log(postern):
    before = len(log_text(postern))
    with socket.create_connection(("127.0.0.1", postern.submission), timeout=20) as client:
        client.recv(1000)
        try:
            for _ in range(2000):
                client.sendall(b"NOSUCH " + b"x" * 400 + b"\r\n" + b"NOOP\r\n")
                client.recv(4096)
        except OSError:
            pass  # closed after too many errors, as it should be
    send(postern)
    eventually(lambda: events(postern, "delivery.delivered"), "the delivery's line")
    assert len(log_text(postern)) - before < 20_000
