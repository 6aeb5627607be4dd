"""BY (RFC 2852), MT-PRIORITY (RFC 6710), HOLDFOR (RFC 4865) and LIMITS (RFC 9422) from the client to the next hop and back."""

import email
import email.policy
import re
import smtplib
import ssl
import time

from scripted_hop import PASSWORD, Hop, Server, hop, server, wait_until  # noqa: F401 (fixtures)

ALICE = "alice@example.org"


def session(server, user=ALICE):
    tls = ssl.create_default_context(cafile=server.directory / "cert.pem")
    client = smtplib.SMTP_SSL("localhost", server.ports["submissions"][0], timeout=30, context=tls)
    client.login(user, PASSWORD)
    return client


def send(server, mail=(), rcpt=(), recipients=("bob@example.net",)):
    with session(server) as client:
        client.sendmail(ALICE, list(recipients), f"From: {ALICE}\r\nSubject: secret plan\r\n\r\nbody\r\n",
                        mail_options=list(mail), rcpt_options=list(rcpt))


def sent(hop):
    return [mail for mail in hop.mails if b"<>" not in mail[0]]


def report(hop, number=0):
    """The machine part of a report: its message fields and those of its one recipient."""
    found = wait_until(lambda: [m for m in hop.mails if b"<>" in m[0]][number:], "a report")
    parts = email.message_from_bytes(found[0][2], policy=email.policy.default).get_payload()
    message, recipient = parts[1].get_payload()[:2]
    return message, recipient, found[0]


def test_the_time_that_is_left_goes_on(server, hop):
    hop.extensions.append(b"DELIVERBY 60")
    send(server, ["BY=600;RT"])
    wait_until(lambda: sent(hop), "the mail")
    left = re.search(rb" BY=(\d+);RT", sent(hop)[0][0])
    assert left and 570 <= int(left[1]) <= 600
    message, recipient, _ = report(hop)  # T: each relay tells (§4.1.4)
    assert recipient["Action"] == "relayed" and recipient["Status"] == "2.0.0"
    accepted, until = (email.utils.parsedate_to_datetime(message[field]) for field in ("Arrival-Date", "Deliver-By-Date"))
    assert (until - accepted).total_seconds() == 600


def test_mode_r_comes_back_where_nobody_keeps_the_time(server, hop):
    send(server, ["BY=600;R"])
    _, recipient, _ = report(hop)
    assert recipient["Action"] == "failed" and recipient["Status"] == "5.3.3"
    assert not sent(hop)


def test_mode_r_comes_back_when_the_least_time_is_longer_than_what_is_left(server, hop):
    hop.extensions.append(b"DELIVERBY 601")
    send(server, ["BY=600;R"])
    assert report(hop)[1]["Status"] == "5.3.3"
    assert not sent(hop)


def test_mode_r_comes_back_when_the_time_is_over(server, hop):
    hop.extensions.append(b"DELIVERBY")
    hop.rcpt_reply = lambda line: b"450 4.2.1 busy" if b"bob@" in line else b"250 2.1.5 ok"
    begun = time.monotonic()
    send(server, ["BY=3;R"])
    _, recipient, _ = report(hop)
    assert recipient["Action"] == "failed" and recipient["Status"] == "5.4.7"
    assert time.monotonic() - begun >= 2
    wait_until(lambda: not server.json("queue", "ls"), "an empty queue")


def test_mode_n_tells_when_it_is_late_and_goes_on(server, hop):
    hop.rcpt_reply = lambda line: b"450 4.2.1 busy" if b"bob@" in line else b"250 2.1.5 ok"
    send(server, ["BY=2;N"])
    message, recipient, _ = report(hop)
    assert recipient["Action"] == "delayed" and recipient["Status"] == "4.4.7" and message["Deliver-By-Date"]
    hop.rcpt_reply = lambda line: b"250 2.1.5 ok"
    left = wait_until(lambda: [m for m in server.json("queue", "ls") if not m["active"]], "it to wait")
    server.cli("queue", "retry", left[0]["id"])
    wait_until(lambda: sent(hop), "the mail")
    assert b" BY=" not in sent(hop)[0][0]  # not announced there


def test_mode_n_asks_for_delay_reports_where_the_time_is_not_kept(server, hop):
    send(server, ["BY=600;N"])
    wait_until(lambda: sent(hop), "the mail")
    assert b"NOTIFY=FAILURE,DELAY" in sent(hop)[0][1][0]
    assert report(hop)[1]["Action"] == "relayed"  # §4.1.4.2


def test_priority_goes_on_and_is_noted(server, hop):
    hop.extensions.append(b"MT-PRIORITY MIXER")
    send(server, ["MT-PRIORITY=4"])
    wait_until(lambda: sent(hop), "the mail")
    mail, _, body = sent(hop)[0]
    assert b" MT-PRIORITY=4" in mail
    assert re.search(rb"(?m)^\tPRIORITY 4\r$", body)


def test_bulk_accounts_do_not_raise_their_priority(server, hop):
    hop.extensions.append(b"MT-PRIORITY")
    server.cli("account", "add", "news@example.org", "--class", "bulk", "--password-stdin", input=PASSWORD + "\n")
    with session(server, "news@example.org") as client:
        client.ehlo()
        assert client.docmd("MAIL FROM:<news@example.org> MT-PRIORITY=5") == (250, b"2.3.6 0 is the priority of bulk accounts at most")
        client.docmd("RSET")
        assert client.docmd("MAIL FROM:<news@example.org> MT-PRIORITY=-5")[1].startswith(b"2.1.0")


def test_reports_say_what_hold_was_asked_for(server, hop):
    hop.rcpt_reply = lambda line: b"550 5.1.1 nobody" if b"bob@" in line else b"250 2.1.5 ok"
    send(server, ["HOLDFOR=1"])
    message, recipient, _ = report(hop)
    assert message["Future-Release-Request"] == "for;1" and recipient["Status"] == "5.1.1"


def test_a_report_on_protected_mail_has_no_body(server, hop):
    """RFC 8689 §4.2.1, §5: this hop is not TLS at all."""
    send(server, ["REQUIRETLS", "RET=FULL"])
    _, recipient, (_, _, content) = report(hop)
    assert recipient["Action"] == "failed" and recipient["Status"] == "5.7.10"
    assert b"\r\nbody\r\n" not in content
    assert not sent(hop)


def test_limits_of_the_next_hop_are_kept(server, hop):
    hop.extensions.append(b"LIMITS RCPTMAX=3 RCPTDOMAINMAX=1")
    send(server, recipients=[f"r{i}@example.net" for i in range(7)] + ["other@example.com"])
    wait_until(lambda: sum(len(to) for _, to, _ in sent(hop)) == 8, "all recipients")
    assert max(len(to) for _, to, _ in sent(hop)) == 3
    assert all(len({line.split(b"@")[1] for line in to}) == 1 for _, to, _ in sent(hop))
