"""Mail handed in by real clients, on 587 and on 465, comes out signed; python3-dkim says that the signature holds."""

import os
import pathlib
import smtplib
import ssl
import subprocess

import dkim
import pytest

from conftest import ADDRESS, PASSWORD, PATIENCE, eventually, start_postern

MESSAGE = f"From: Alice <{ADDRESS}>\r\nTo: x@example.net\r\nBcc: hidden@example.net\r\nSubject: hello\r\n\r\nOne line.\r\n.dot\r\n"


@pytest.fixture(scope="module")
def postern(tmp_path_factory):
    server = start_postern(tmp_path_factory.mktemp("postern"))
    yield server
    server.stop()


def run(command, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, timeout=PATIENCE, **more)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def with_smtplib(postern, implicit, to):
    context = ssl.create_default_context(cafile=postern.ca)
    if implicit:
        client = smtplib.SMTP_SSL("localhost", postern.submissions, context=context, timeout=PATIENCE)
    else:
        client = smtplib.SMTP("localhost", postern.submission, timeout=PATIENCE)
        client.starttls(context=context)
    with client:
        client.login(ADDRESS, PASSWORD)
        client.sendmail(ADDRESS, [to], MESSAGE.encode())


def with_curl(postern, implicit, to):
    url = f"smtps://localhost:{postern.submissions}" if implicit else f"smtp://localhost:{postern.submission}"
    run(["curl", "-sS", "--ssl-reqd", "--url", url, "--cacert", postern.ca, "--user", f"{ADDRESS}:{PASSWORD}",
         "--mail-from", ADDRESS, "--mail-rcpt", to, "-T", "-"], input=MESSAGE.encode())


def with_swaks(postern, implicit, to):
    tls = ["--port", postern.submissions, "--tls-on-connect"] if implicit else ["--port", postern.submission, "--tls"]
    run(["swaks", "--server", "127.0.0.1", *tls, "--tls-verify", "--tls-ca-path", postern.ca, "--auth", "LOGIN",
         "--auth-user", ADDRESS, "--auth-password", PASSWORD, "--from", ADDRESS, "--to", to, "--body", "One line.\n.dot"])


def with_msmtp(postern, implicit, to):
    tls = [f"--port={postern.submissions}", "--tls-starttls=off"] if implicit else [f"--port={postern.submission}"]
    run(["msmtp", "--host=localhost", *tls, "--tls=on", f"--tls-trust-file={postern.ca}", "--auth=plain",
         f"--user={ADDRESS}", f"--passwordeval=echo {PASSWORD}", f"--from={ADDRESS}", to],
        input=MESSAGE.replace("\r\n", "\n").encode())


def with_nodemailer(postern, implicit, to):
    script = pathlib.Path(__file__).with_name("send_with_nodemailer.js")
    port = postern.submissions if implicit else postern.submission
    run(["node", script, port, str(implicit).lower(), postern.ca, ADDRESS, PASSWORD, to],
        env={**os.environ, "NODE_PATH": "/usr/share/nodejs"})


@pytest.mark.parametrize("implicit", [False, True], ids=["587", "465"])
@pytest.mark.parametrize("client", ["smtplib", "curl", "swaks", "msmtp", "nodemailer"])
def test_a_client_sends(postern, client, implicit):
    to = f"{client}-{465 if implicit else 587}@example.net"
    globals()[f"with_{client}"](postern, implicit, to)

    def mine():
        return [entry for entry in postern.cli_json("sandbox", "ls") if entry["recipients"] == [to]]

    entry = eventually(mine, f"the mail of {client}")[0]
    assert entry["sender"] == ADDRESS
    message = postern.cli_json("sandbox", "show", entry["id"])["message"]
    assert dkim.verify(message.encode(), dnsfunc=postern.dkim_record)
    assert "with ESMTPSA id" in message and f"for <{to}>" in message
    assert "\r\nDate: " in message and "\r\nMessage-ID: " in message.replace("Message-Id", "Message-ID")  # RFC 6409 §8
    assert "hidden@" not in message
    assert "One line.\r\n.dot\r\n" in message
