"""Mail handed in by real clients, on 587 and on 465, comes out signed; python3-dkim says that the signature holds.

What each is here for: swaks, PHPMailer and Jakarta Mail choose AUTH LOGIN, msmtp SCRAM, the others PLAIN, each with its own way of
initial responses; curl names the message's file in EHLO; Jakarta Mail and git send-email authenticate in several lines; Go refuses
PLAIN where it sees no TLS; gsasl knows channel binding.
"""

import re

import dkim
import pytest

import real_clients
from conftest import ADDRESS, PASSWORD, eventually, start_postern


@pytest.fixture(scope="module")
def postern(tmp_path_factory):
    server = start_postern(tmp_path_factory.mktemp("postern"))
    yield server
    server.stop()


def arrived(postern, to):
    def mine():
        return [entry for entry in postern.cli_json("sandbox", "ls") if entry["recipients"] == [to]]

    entry = eventually(mine, f"the mail to {to}")[0]
    assert entry["sender"] == ADDRESS
    return postern.cli_json("sandbox", "show", entry["id"])["message"]


@pytest.mark.parametrize("implicit", [False, True], ids=["587", "465"])
@pytest.mark.parametrize("client", real_clients.ALL)
def test_a_client_sends(postern, client, implicit):
    to = f"{client}-{465 if implicit else 587}@example.net"
    real_clients.ALL[client](postern, implicit, to)
    message = arrived(postern, to)
    assert dkim.verify(message.encode(), dnsfunc=postern.dkim_record)
    assert re.search(r"with (ESMTPSA|UTF8SMTPSA) id", message) and f"for <{to}>" in message  # RFC 3848, RFC 6531 §4.3
    assert "\r\nDate: " in message and "\r\nMessage-ID: " in message.replace("Message-Id", "Message-ID")  # RFC 6409 §8
    assert "hidden@" not in message
    header, body = message.split("\r\n\r\n", 1)
    if client in real_clients.AS_GIVEN:
        kept, _, rest = real_clients.HEADER
        assert body == real_clients.BODY
        assert kept + rest in header + "\r\n", "what we add stands before and behind"
    else:
        assert "One line.\r\n.dot\r\n" in body


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
def test_gsasl_logs_in_and_not_with_a_wrong_password(postern, mechanism):
    # Beside PLUS, gsasl refuses plain SCRAM by itself unless it is told to forget channel binding.
    bound = ["--no-cb"] if mechanism == "SCRAM-SHA-256" else []

    def gsasl(password):
        return real_clients.subprocess.run(
            ["gsasl", "--smtp", "--starttls", "--x509-ca-file", postern.ca, "--connect", f"localhost:{postern.submission}", "-m", mechanism,
             "-a", ADDRESS, "-p", password, *bound],
            input="QUIT\r\n", capture_output=True, text=True, timeout=real_clients.PATIENCE)

    good, bad = gsasl(PASSWORD), gsasl("wrong")
    assert "235 2.7.0 " in good.stdout, good.stdout + good.stderr
    assert "235" not in bad.stdout and "535 5.7.8 " in bad.stdout, bad.stdout + bad.stderr
