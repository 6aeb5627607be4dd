"""Addresses and headers in UTF-8 (RFC 6531-6533) from the client to the next hop, and the report where they cannot go on."""

import email
import email.policy
import smtplib
import ssl

from scripted_hop import PASSWORD, Hop, Server, hop, server, wait_until  # noqa: F401 (fixtures)

ALICE, ANNA, JUERGEN = "alice@example.org", "анна@example.org", "jürgen@bücher.example"


def send(server, sender, recipient):
    tls = ssl.create_default_context(cafile=server.directory / "cert.pem")
    with smtplib.SMTP_SSL("localhost", server.ports["submissions"][0], timeout=30, context=tls) as client:
        client.login(ALICE, PASSWORD)
        client.command_encoding = "utf-8"
        client.ehlo()
        assert client.docmd(f"MAIL FROM:<{sender}> SMTPUTF8 BODY=8BITMIME")[0] == 250
        assert client.docmd(f"RCPT TO:<{recipient}>")[0] == 250
        code, text = client.data(f"From: {sender}\r\nTo: {recipient}\r\nSubject: Bücher für Анна\r\n\r\nGrüße\r\n".encode())
        assert code == 250, text


def report(hop):
    found = wait_until(lambda: [m for m in hop.mails if b"<>" in m[0]], "a report")[0]
    return found, email.message_from_bytes(found[2], policy=email.policy.default)


def test_everything_arrives_as_it_was_sent(server, hop):
    hop.extensions.append(b"SMTPUTF8")
    send(server, ALICE, JUERGEN)
    mail, to, content = wait_until(lambda: hop.mails, "the mail")[0]
    assert b" SMTPUTF8" in mail and b" BODY=8BITMIME" in mail
    assert "jürgen@".encode() in to[0]
    assert "Subject: Bücher für Анна\r\n".encode() in content and "\r\n\r\nGrüße\r\n".encode() in content
    assert b"with UTF8SMTPSA" in content and b"\nDKIM-Signature:" in b"\n" + content


def test_a_hop_without_it_gets_nothing_and_the_sender_a_report_in_ascii(server, hop):
    send(server, ALICE, JUERGEN)
    (mail, _, content), parsed = report(hop)
    assert b"SMTPUTF8" not in mail and max(content) < 0x80
    fields = parsed.get_payload()[1].get_payload()[1]
    assert fields["Status"] == "5.6.7" and fields["Action"] == "failed"
    assert fields["Final-Recipient"].startswith("utf-8;") and "j\\x{FC}rgen@" in fields["Final-Recipient"]
    assert len(hop.mails) == 1


def test_what_needs_no_utf8_goes_on_without_it(server, hop):
    """RFC 6531 §3.5: the parameter alone is no reason to bounce."""
    tls = ssl.create_default_context(cafile=server.directory / "cert.pem")
    with smtplib.SMTP_SSL("localhost", server.ports["submissions"][0], timeout=30, context=tls) as client:
        client.login(ALICE, PASSWORD)
        client.sendmail(ALICE, ["bob@example.net"], f"From: {ALICE}\r\nSubject: plain\r\n\r\nbody\r\n", mail_options=["SMTPUTF8"])
    mail, _, _ = wait_until(lambda: hop.mails, "the mail")[0]
    assert b"SMTPUTF8" not in mail and b"<>" not in mail


def test_a_sender_in_utf8_gets_a_report_in_utf8(server, hop):
    server.cli("alias", "add", ANNA, ALICE)
    hop.extensions.append(b"SMTPUTF8")
    hop.rcpt_reply = lambda line: b"550 5.1.1 unknown" if "jürgen".encode() in line else b"250 2.1.5 ok"
    send(server, ANNA, JUERGEN)
    (mail, to, content), parsed = report(hop)
    assert b" SMTPUTF8" in mail and ANNA.encode() in to[0]
    kinds = [part.get_content_type() for part in parsed.get_payload()]
    assert kinds == ["text/plain", "message/global-delivery-status", "message/global-headers"]
    assert "Final-Recipient: utf-8; jürgen@".encode() in content
