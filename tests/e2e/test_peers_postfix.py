"""Debian's Postfix as next hop: what is handed in with swaks arrives there signed; its refusals come back as reports."""

import email
import email.policy
import os
import shutil
import smtplib
import ssl
import subprocess

import dkim
import pytest

from conftest import ADDRESS, PASSWORD, PATIENCE, eventually
from fake_dns import FakeDns
from postfix_hop import AUTH_LOGIN, AUTH_PLAIN, MAIN, PLAIN, SMALL, USER, PostfixHop
from postfix_hop import PASSWORD as RELAY_PASSWORD

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or shutil.which("postfix") is None,
                                reason="a private Postfix needs root and the package postfix")


@pytest.fixture(scope="module")
def hop():
    postfix = PostfixHop()
    yield postfix
    postfix.stop()


@pytest.fixture(scope="module")
def dns():
    server = FakeDns({
        "example.net": {"mx": [(10, "mx.example.net")]}, "mx.example.net": {"a": [MAIN]},
        "example.org": {"a": [MAIN]},  # no MX: the implicit one (RFC 5321 §5.1)
        "plain.example.net": {"mx": [(10, "nothing.example.net"), (20, "mx.plain.example.net")]},
        "mx.plain.example.net": {"a": [PLAIN]},
        "small.example.net": {"mx": [(0, "mx.small.example.net")]}, "mx.small.example.net": {"a": [SMALL]},
        "null.example.net": {"mx": [(0, "")]},
        "relay.example.net": {"a": [AUTH_PLAIN]}, "login.example.net": {"a": [AUTH_LOGIN]},
    })
    yield server
    server.close()


def direct(hop, dns):
    return (f'[dns]\nservers = ["127.0.0.1:{dns.port}"]\ndnssec = false\n'
            f'[delivery]\nmode = "direct"\nport = {hop.port}\n')


def smarthost(hop, dns, host="relay.example.net", ca=None, password=RELAY_PASSWORD):
    secret = hop.base / "password"
    secret.write_text(password + "\n")
    return (f'[dns]\nservers = ["127.0.0.1:{dns.port}"]\ndnssec = false\n'
            '[delivery]\nmode = "smarthost"\nsmarthost = "relay"\n'
            f'[smarthost.relay]\nhost = "{host}"\nport = {hop.port}\ntls = "required"\nca_file = "{ca or hop.ca}"\n'
            f'user = "{USER}"\npassword_file = "{secret}"\n')


def swaks(postern, marker, *to, body=None):
    done = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(postern.submission), "--tls", "--auth", "PLAIN",
                           "--auth-user", ADDRESS, "--auth-password", PASSWORD, "--from", ADDRESS, "--to", ",".join(to),
                           "--header", f"Subject: {marker}", "--body", body or "One line."],
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout


def verified(postern, message):
    return dkim.verify(message, dnsfunc=postern.dkim_record)


def report(hop, recipient):
    """The report about `recipient`, as a message; its fields for that recipient, as a dictionary."""
    message = email.message_from_bytes(hop.arrived(b"Final-Recipient: rfc822; " + recipient.encode()),
                                       policy=email.policy.default)
    assert message.get_content_type() == "multipart/report"
    assert message["Return-Path"] == "<>" and message["To"] == ADDRESS
    for group in message.get_payload()[1].get_payload()[1:]:
        if recipient in group["Final-Recipient"]:
            return message, dict(group.items())
    pytest.fail(f"no group for {recipient}")


def waiting(postern, address):
    """What the queue says of `address` once an attempt has been made."""
    def look():
        for message in postern.cli_json("queue", "ls"):
            for to in message["recipients"]:
                if to["address"] == address and to["attempts"] > 0:
                    return to
        return None
    return eventually(look, f"an attempt for {address}")


def test_mail_arrives_signed_over_tls(make_postern, hop, dns):
    postern = make_postern(direct(hop, dns))
    swaks(postern, "m-direct", "friend@example.net", body="Dots:\n.\n..two\nend")
    message = hop.arrived(b"Subject: m-direct")
    assert verified(postern, message)
    assert b"(using TLSv1.3 with cipher" in message and b"with ESMTPS id" in message
    assert b"by mail.example.org with ESMTPSA id" in message
    assert message.replace(b"\r\n", b"\n").rstrip(b"\n").endswith(b"Dots:\n.\n..two\nend")
    eventually(lambda: postern.cli_json("queue", "ls") == [], "an empty queue")

    # 8-bit content over 8BITMIME; the better MX has no address, the next one has no TLS.
    with smtplib.SMTP("localhost", postern.submission, timeout=PATIENCE) as client:
        client.starttls(context=ssl.create_default_context(cafile=postern.ca))
        client.login(ADDRESS, PASSWORD)
        client.sendmail(ADDRESS, ["friend@plain.example.net"],
                        f"From: {ADDRESS}\r\nSubject: m-8bit\r\nMIME-Version: 1.0\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n".encode(), ["BODY=8BITMIME"])
    message = hop.arrived(b"Subject: m-8bit")
    assert "Grüße".encode() in message and verified(postern, message)
    assert b"using TLS" not in message


def test_each_recipient_gets_its_own_outcome(make_postern, hop, dns):
    postern = make_postern(direct(hop, dns))
    swaks(postern, "m-mixed", "friend@example.net", "later@example.net", "nobody@example.net", "x@null.example.net")
    assert verified(postern, hop.arrived(b"Subject: m-mixed"))

    message, fields = report(hop, "nobody@example.net")
    assert fields["Action"] == "failed" and fields["Status"] == "5.1.1"
    assert fields["Remote-MTA"] == "dns; mx.example.net"
    assert fields["Diagnostic-Code"].startswith("smtp; 550 5.1.1") and "no such user here" in fields["Diagnostic-Code"]
    assert verified(postern, hop.arrived(b"Final-Recipient: rfc822; nobody@example.net")), "reports are signed too"

    _, fields = report(hop, "x@null.example.net")
    assert fields["Action"] == "failed" and fields["Status"] == "5.1.10"
    assert "Remote-MTA" not in fields

    later = waiting(postern, "later@example.net")
    assert later["status"] == "4.2.1" and "mailbox is busy" in later["text"]
    queued = [to["address"] for message in postern.cli_json("queue", "ls") for to in message["recipients"]]
    assert queued == ["later@example.net"]


def test_size_and_smtputf8_that_the_hop_does_not_have(make_postern, hop, dns):
    postern = make_postern(direct(hop, dns))
    swaks(postern, "m-small", "friend@small.example.net")
    hop.arrived(b"Subject: m-small")
    swaks(postern, "m-large", "friend@small.example.net", body="\n".join(["x" * 70] * 100))
    _, fields = report(hop, "friend@small.example.net")
    assert fields["Status"] == "5.3.4"  # RFC 1870 §6.2

    with smtplib.SMTP("localhost", postern.submission, timeout=PATIENCE) as client:
        client.starttls(context=ssl.create_default_context(cafile=postern.ca))
        client.login(ADDRESS, PASSWORD)
        client.ehlo()
        assert client.mail(ADDRESS, ["SMTPUTF8", "BODY=8BITMIME"])[0] == 250
        client.send("RCPT TO:<björn@plain.example.net>\r\n".encode())
        assert client.getreply()[0] == 250
        assert client.data(f"From: {ADDRESS}\r\nSubject: grüße m-utf8\r\n\r\nx\r\n".encode())[0] == 250
    found = hop.arrived(b"Status: 5.6.7")  # RFC 6531 §3.5
    assert b"Action: failed" in found
    assert "RCPT TO:<björn".encode() not in found


@pytest.mark.parametrize("host", ["relay.example.net", "login.example.net"], ids=["PLAIN", "LOGIN"])
def test_smarthost_with_verified_tls_and_login(make_postern, hop, dns, host):
    if host == "login.example.net":
        # The certificate names relay.example.net; the LOGIN listener is reached under that name too.
        dns.zones["relay.example.net"] = {"a": [AUTH_LOGIN]}
    postern = make_postern(smarthost(hop, dns))
    marker = f"m-{host.split('.')[0]}"
    swaks(postern, marker, "friend@example.net")
    message = hop.arrived(f"Subject: {marker}".encode())
    dns.zones["relay.example.net"] = {"a": [AUTH_PLAIN]}
    assert verified(postern, message)
    assert f"(Authenticated sender: {USER})".encode() in message and b"with ESMTPSA id" in message


def test_smarthost_that_cannot_be_trusted_or_does_not_know_us(make_postern, hop, dns, tmp_path_factory):
    stranger = tmp_path_factory.mktemp("ca") / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=Other CA", "-keyout", stranger.with_name("key.pem"), "-out", stranger],
                   check=True, capture_output=True)
    postern = make_postern(smarthost(hop, dns, ca=stranger))
    swaks(postern, "m-distrust", "friend@example.net")
    assert waiting(postern, "friend@example.net")["status"].startswith("4.7.")
    postern.stop()

    # The same server, now with the right CA and a wrong password: the mail waits and says why.
    postern.config.write_text(postern.config.read_text().replace(str(stranger), str(hop.ca)))
    (hop.base / "password").write_text("wrong\n")
    postern.start()
    postern.cli("queue", "retry", "--all")
    eventually(lambda: "535" in waiting(postern, "friend@example.net")["text"], "the relay's 535")
    assert hop.mails(b"m-distrust") == []
