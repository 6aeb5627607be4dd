"""Mail handed in by real clients comes out signed, and the signature verifies with an independent implementation."""

import smtplib
import ssl
import subprocess

import dkim

from conftest import ADDRESS, PASSWORD, PATIENCE

TO = "friend@example.net"
MESSAGE = f"From: Alice <{ADDRESS}>\r\nTo: {TO}\r\nBcc: hidden@example.net\r\nSubject: hello\r\n\r\nOne line.\r\n.dot\r\n"


def assert_arrived_signed(postern):
    entry, shown = postern.sandbox_message()
    message = shown["message"]
    assert entry["sender"] == ADDRESS and entry["recipients"] == [TO]
    assert dkim.verify(message.encode(), dnsfunc=postern.dkim_record)
    assert "Received:" in message and "Date:" in message and "Message-ID:" in message  # RFC 6409 §8
    assert "hidden@" not in message


def run(command, **more):
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True, timeout=PATIENCE, **more)
    assert done.returncode == 0, done.stdout + done.stderr


def test_smtplib_starttls(postern):
    with smtplib.SMTP("localhost", postern.submission, timeout=PATIENCE) as client:
        client.starttls(context=ssl.create_default_context(cafile=postern.ca))
        client.login(ADDRESS, PASSWORD)
        client.sendmail(ADDRESS, [TO], MESSAGE.encode())
    assert_arrived_signed(postern)


def test_smtplib_implicit_tls(postern):
    context = ssl.create_default_context(cafile=postern.ca)
    with smtplib.SMTP_SSL("localhost", postern.submissions, context=context, timeout=PATIENCE) as client:
        client.login(ADDRESS, PASSWORD)
        client.sendmail(ADDRESS, [TO], MESSAGE.encode())
    assert_arrived_signed(postern)


def test_curl_implicit_tls(postern):
    run(["curl", "-sS", "--url", f"smtps://localhost:{postern.submissions}", "--cacert", postern.ca, "--user",
         f"{ADDRESS}:{PASSWORD}", "--mail-from", ADDRESS, "--mail-rcpt", TO, "-T", "-"], input=MESSAGE)
    assert_arrived_signed(postern)


def test_swaks_starttls(postern):
    run(["swaks", "--server", "127.0.0.1", "--port", postern.submission, "--tls", "--auth", "PLAIN", "--auth-user",
         ADDRESS, "--auth-password", PASSWORD, "--from", ADDRESS, "--to", TO])
    assert_arrived_signed(postern)


def test_msmtp_starttls(postern):
    run(["msmtp", "--host=localhost", f"--port={postern.submission}", "--tls=on", f"--tls-trust-file={postern.ca}",
         "--auth=plain", f"--user={ADDRESS}", f"--passwordeval=echo {PASSWORD}", f"--from={ADDRESS}", TO],
        input=MESSAGE.replace("\r\n", "\n"))
    assert_arrived_signed(postern)
