"""Mail goes in through real clients and comes out signed at the next hop."""

import email
import signal
import smtplib
import socket
import ssl
import subprocess
import urllib.request

import dkim
import pytest
from scripted_hop import PASSWORD, hop, server, wait_until  # noqa: F401 (fixtures)

MAIL = b"From: alice@example.org\r\nTo: bob@example.net\r\nSubject: hi\r\nBcc: secret@example.net\r\n\r\n.leading dot\r\nbody\r\n"


def client(server, implicit=False):
    context = ssl.create_default_context(cafile=server.directory / "cert.pem")
    if implicit:
        session = smtplib.SMTP_SSL("localhost", server.ports["submissions"][0], context=context, timeout=30)
    else:
        session = smtplib.SMTP("localhost", server.ports["submission"][0], timeout=30)
        session.starttls(context=context)
    return session


def signed_by_us(server, message):
    record = server.json("domain", "show", "example.org")["record"].encode()
    return dkim.verify(message, dnsfunc=lambda name, timeout=5: record)


@pytest.mark.parametrize("implicit", [False, True])
def test_a_mail_arrives_signed_and_corrected(server, hop, implicit):
    with client(server, implicit) as session:
        session.login("alice@example.org", PASSWORD)
        session.sendmail("alice@example.org", ["bob@example.net", "carol@example.net"], MAIL)
    wait_until(lambda: hop.mails, "the mail at the next hop")
    sender, recipients, body = hop.mails[0]
    assert b"<alice@example.org>" in sender and len(recipients) == 2
    message = email.message_from_bytes(body)
    assert message["Bcc"] is None and message["Date"] and message["Message-ID"]
    assert " with ESMTPSA " in message["Received"] and " for " not in message["Received"]
    assert body.endswith(b"\r\n\r\n.leading dot\r\nbody\r\n")
    assert signed_by_us(server, body)
    wait_until(lambda: server.json("queue", "ls") == [], "an empty queue")
    events = [e["event"] for e in server.json("trace", "bob@example.net")]
    assert "delivered" in events


def test_swaks_and_curl(server, hop, tmp_path):
    subprocess.run(["swaks", "--server", f"127.0.0.1:{server.ports['submission'][0]}", "--tls", "--auth", "LOGIN", "--auth-user",
                    "alice@example.org", "--auth-password", PASSWORD, "--from", "alice@example.org", "--to", "bob@example.net"],
                   check=True, capture_output=True, timeout=60)
    (tmp_path / "m.eml").write_bytes(MAIL)
    subprocess.run(["curl", "-sS", "--url", f"smtps://localhost:{server.ports['submissions'][0]}", "--cacert", tmp_path / "cert.pem",
                    "--user", f"alice@example.org:{PASSWORD}", "--mail-from", "alice@example.org", "--mail-rcpt", "bob@example.net",
                    "--upload-file", tmp_path / "m.eml"], check=True, capture_output=True, timeout=60)
    wait_until(lambda: len(hop.mails) == 2, "both mails")
    assert all(signed_by_us(server, body) for _, _, body in hop.mails)


def test_who_may_not_send_does_not(server, hop):
    with client(server) as session:
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            session.login("alice@example.org", "wrong")
        assert refused.value.smtp_code == 535
        assert session.mail("alice@example.org")[0] == 530
        session.login("alice@example.org", PASSWORD)
        assert session.mail("eve@example.org")[0] == 550
        with pytest.raises(smtplib.SMTPDataError) as refused:
            session.sendmail("alice@example.org", ["bob@example.net"], MAIL.replace(b"From: alice", b"From: eve"))
        assert refused.value.smtp_code == 550
        server.cli("account", "suspend", "alice@example.org")
        assert session.mail("alice@example.org")[0] >= 400
    assert hop.mails == []


def test_bare_line_ends_never_end_a_message(server, hop):
    with client(server) as session:
        session.login("alice@example.org", PASSWORD)
        session.mail("alice@example.org")
        session.rcpt("bob@example.net")
        assert session.docmd("DATA")[0] == 354
        session.send(b"From: alice@example.org\r\n\r\na\n.\nMAIL FROM:<alice@example.org>\r\n.\r\n")
        assert session.getreply()[0] == 554
        assert session.noop()[0] == 250
    assert hop.mails == []


def test_nothing_sent_before_tls_survives_it(server):
    raw = socket.create_connection(("localhost", server.ports["submission"][0]), timeout=30)
    raw.recv(1000)
    raw.sendall(b"EHLO x\r\n")
    raw.recv(1000)
    raw.sendall(b"STARTTLS\r\nNOOP\r\n")
    assert raw.recv(1000).startswith(b"220 ")
    secured = ssl._create_unverified_context().wrap_socket(raw)
    secured.sendall(b"EHLO y\r\n")
    assert secured.recv(1000).startswith(b"250-mail.example.org"), "the first reply inside TLS is to EHLO"
    secured.close()


def test_a_permanent_failure_is_reported_to_the_sender(server, hop):
    hop.rcpt_reply = lambda line: b"550 5.1.1 no such user" if b"nobody@" in line else b"250 2.1.5 ok"
    with client(server) as session:
        session.login("alice@example.org", PASSWORD)
        session.sendmail("alice@example.org", ["nobody@example.net"], MAIL)
    wait_until(lambda: hop.mails, "the report")
    sender, recipients, body = hop.mails[0]
    assert sender.startswith(b"MAIL FROM:<>") and b"<alice@example.org>" in recipients[0]
    report = email.message_from_bytes(body)
    assert report.get_content_type() == "multipart/report"
    assert b"Action: failed" in body and b"Status: 5.1.1" in body


def test_what_was_answered_250_survives_a_kill(server, hop):
    hop.data_reply = b"451 4.3.0 not now"
    with client(server) as session:
        session.login("alice@example.org", PASSWORD)
        session.sendmail("alice@example.org", ["bob@example.net"], MAIL)
    server.stop(signal.SIGKILL)
    hop.data_reply = b"250 2.0.0 taken"
    waiting = server.json("queue", "ls")
    assert [r["address"] for m in waiting for r in m["recipients"]] == ["bob@example.net"]
    server.cli("queue", "retry", "--all")
    server.start()
    wait_until(lambda: hop.mails, "the mail after the restart")
    assert server.cli("queue", "hold", check=False).returncode == 1, "the server holds the lock"


@pytest.mark.parametrize("point, expected", [("before_commit", 0), ("after_commit", 1)])
def test_a_kill_around_the_commit_loses_nothing_that_was_promised(server, hop, point, expected):
    server.stop()
    server.start(POSTERN_FAIL_POINT=point)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        with client(server) as session:
            session.login("alice@example.org", PASSWORD)
            session.sendmail("alice@example.org", ["bob@example.net"], MAIL)
    server.process.wait(30)
    assert len(server.json("queue", "ls")) == expected
    server.start()
    if expected:
        wait_until(lambda: hop.mails, "the mail that was committed")


def test_health_metrics_and_strangers(server):
    base = f"http://127.0.0.1:{server.ports['admin'][0]}"
    assert urllib.request.urlopen(base + "/healthz", timeout=30).status == 200
    assert urllib.request.urlopen(base + "/readyz", timeout=30).read() == b"ready\n"
    assert b"postern_delivery_delivered_total" in urllib.request.urlopen(base + "/metrics", timeout=30).read()
    stranger = socket.create_connection(("localhost", server.ports["submission"][0]), timeout=30)
    stranger.recv(1000)
    stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert stranger.recv(1000).startswith(b"554 5.5.0")


def test_errors_for_the_operator(server):
    server.config.write_text(server.config.read_text().replace("hostname =", "hostnme ="))
    failed = server.cli("config", "check", check=False)
    assert failed.returncode == 1 and 'did you mean "hostname"?' in failed.stderr
