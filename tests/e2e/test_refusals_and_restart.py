"""Nobody sends who should not; what was answered 250 is there after SIGKILL."""

import signal
import smtplib
import socket
import ssl
import urllib.request

import pytest

from conftest import ADDRESS, PASSWORD, PATIENCE

MESSAGE = f"From: {ADDRESS}\r\nSubject: hello\r\n\r\nOne line.\r\n".encode()
# Port 9 (discard) answers nothing on loopback: mail stays in the queue.
UNREACHABLE = '[delivery]\nmode = "smarthost"\nsmarthost = "away"\n[smarthost.away]\nhost = "127.0.0.1"\nport = 9\ntls = "none"\n'


def connect(postern, tls=True):
    client = smtplib.SMTP("localhost", postern.submission, timeout=PATIENCE)
    if tls:
        client.starttls(context=ssl.create_default_context(cafile=postern.ca))
    client.ehlo()
    return client


def test_auth_is_not_offered_without_tls(postern):
    with connect(postern, tls=False) as client:
        assert not client.has_extn("auth")


def test_mail_needs_a_login(postern):  # RFC 6409 §4.3
    with connect(postern) as client:
        code, text = client.mail(ADDRESS)
        assert (code, text[:5]) == (530, b"5.7.0")


def test_wrong_password_is_refused(postern):
    with connect(postern) as client, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        client.login(ADDRESS, "wrong")
    assert refused.value.smtp_code == 535


def test_sender_must_belong_to_the_account(postern):
    with connect(postern) as client:
        client.login(ADDRESS, PASSWORD)
        code, text = client.mail("bob@example.org")
        assert (code, text[:5]) == (550, b"5.7.1")


def test_suspension_takes_effect_at_once(postern):
    postern.cli("account", "suspend", ADDRESS)
    with connect(postern) as client, pytest.raises(smtplib.SMTPAuthenticationError):
        client.login(ADDRESS, PASSWORD)


def test_health(postern):
    for path in ("/healthz", "/readyz", "/metrics"):
        with urllib.request.urlopen(f"http://127.0.0.1:{postern.admin}{path}", timeout=PATIENCE) as answer:
            assert answer.status == 200


def test_sigterm_ends_cleanly(postern):
    assert postern.stop() == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_accepted_mail_survives(make_postern, how):
    postern = make_postern(UNREACHABLE)
    with connect(postern) as client:
        client.login(ADDRESS, PASSWORD)
        for _ in range(5):
            client.sendmail(ADDRESS, ["friend@example.net"], MESSAGE)
    postern.stop(how)
    assert len(postern.cli_json("queue", "ls")) == 5  # stopped
    postern.start()
    assert len(postern.cli_json("queue", "ls")) == 5  # running


def test_a_damaged_side_database_does_not_stop_the_service(postern):
    postern.stop()
    damaged = [name for name in ("limits", "places", "watch", "tls", "tls_sessions") if (postern.data / f"{name}.db").exists()]
    assert {"limits", "places", "watch"} <= set(damaged)
    for name in damaged:
        (postern.data / f"{name}.db").write_bytes(b"whatever this was " * 1000)
    postern.start()
    log = (postern.directory / "server.log").read_text()
    for name in damaged:
        aside = list(postern.data.glob(f"{name}.db.damaged-*"))
        assert len([path for path in aside if not path.name.endswith(("-wal", "-shm"))]) == 1, name
        assert f'"event":"store.set_aside","file":"{postern.data / name}.db"' in log, name
    with connect(postern) as client:
        client.login(ADDRESS, PASSWORD)
        client.sendmail(ADDRESS, ["bob@example.net"], f"From: {ADDRESS}\r\n\r\nhello\r\n")


def raw(port):
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def read_to_end(connection):
    answer = b""
    while chunk := connection.recv(4096):
        answer += chunk
    return answer


def test_tls_on_the_starttls_port_is_told_so(postern):
    with raw(postern.submission) as connection:
        context = ssl.create_default_context()
        hello = ssl.MemoryBIO()
        client = context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        connection.sendall(hello.read())
        answer = read_to_end(connection).split(b"\r\n")
    assert answer[0].startswith(b"220 ") and answer[1].startswith(b"554 5.5.0 ") and b"465" in answer[1]
    assert answer[2:] == [b""]
    assert "submission.tls_on_clear_port" in (postern.directory / "server.log").read_text()


@pytest.mark.parametrize("line", [b"EHLO client.example\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_clear_text_on_the_tls_port_is_told_so(postern, line):
    with raw(postern.submissions) as connection:
        connection.sendall(line)
        answer = read_to_end(connection)
    assert answer.startswith(b"554 5.5.0 ") and b"587" in answer
    assert "submission.clear_on_tls_port" in (postern.directory / "server.log").read_text()


def test_http_on_587_is_refused_and_closed(postern):
    with raw(postern.submission) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = read_to_end(connection).split(b"\r\n")
    assert answer[1].startswith(b"554 5.5.0 ") and answer[2:] == [b""]


def test_a_stop_says_goodbye_and_takes_what_has_begun(postern):
    """SIGTERM: who waits for a command gets 421 at once; a message whose data has begun is taken to its end."""
    with raw(postern.submission) as idle, connect(postern) as sender:
        assert idle.recv(4096).startswith(b"220 ")
        sender.login(ADDRESS, PASSWORD)
        sender.mail(ADDRESS)
        sender.rcpt("bob@example.net")
        assert sender.docmd("DATA")[0] == 354
        sender.send(MESSAGE)  # not its end
        postern.process.send_signal(signal.SIGTERM)
        assert read_to_end(idle) == b"421 4.3.2 Service is shutting down\r\n"
        sender.send(b".\r\n")
        assert sender.getreply()[0] == 250
        assert sender.getreply()[0] == 421
        sender.close()
    assert postern.stop() == 0
    postern.start()
    postern.sandbox_message()
