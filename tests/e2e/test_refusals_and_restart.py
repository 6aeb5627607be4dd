"""Nobody sends who should not; what was answered 250 is there after SIGKILL."""

import signal
import smtplib
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
