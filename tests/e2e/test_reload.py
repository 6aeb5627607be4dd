"""SIGHUP takes the live options over at once, names those that wait for a restart, and refuses a wrong file whole."""

import json
import signal
import smtplib
import urllib.request

from conftest import ADDRESS, PASSWORD, eventually, make_certificate, openssl
from scripted_hop import Hop, hop  # noqa: F401  (a fixture)


def edit(server, old, new):
    text = server.config.read_text()
    assert old in text
    server.config.write_text(text.replace(old, new))


def events(server, name):
    lines = (server.directory / "server.log").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == name]


def reload(server, outcome="server.reloaded"):
    before = len(events(server, outcome))
    server.process.send_signal(signal.SIGHUP)
    return eventually(lambda: events(server, outcome)[before:], outcome)[0]


def ehlo_size(server):
    with smtplib.SMTP("127.0.0.1", server.submission, timeout=20) as client:
        client.ehlo()
        return client.esmtp_features["size"]


def metric(server, name):
    text = urllib.request.urlopen(f"http://127.0.0.1:{server.admin}/metrics", timeout=20).read().decode()
    return float(next(line for line in text.splitlines() if line.startswith(name + " ")).split()[1])


def test_live_options_take_effect_and_open_sessions_go_on_as_they_began(make_postern):
    server = make_postern('[delivery]\nmode = "sandbox"\n[submission]\nmax_message = "2MiB"\n')
    assert ehlo_size(server) == str(2 << 20)
    old = smtplib.SMTP("127.0.0.1", server.submission, timeout=20)
    edit(server, '"2MiB"', '"1MiB"')
    assert reload(server)["changed"] == "submission.max_message"
    assert ehlo_size(server) == str(1 << 20)
    old.ehlo()
    assert old.esmtp_features["size"] == str(2 << 20)
    old.quit()


def test_limits_are_live(make_postern):
    server = make_postern('[delivery]\nmode = "sandbox"\n[limits.person]\nmessages = ["1/1h"]\n')

    def send():
        with smtplib.SMTP("127.0.0.1", server.submission, timeout=20) as client:
            client.starttls()
            client.login(ADDRESS, PASSWORD)
            client.sendmail(ADDRESS, ["bob@example.net"], f"From: {ADDRESS}\r\nSubject: one\r\n\r\nhello\r\n")

    send()
    try:
        send()
        raise AssertionError("the limit of one message an hour did not hold")
    except smtplib.SMTPException as refused:
        assert b"1/1h" in getattr(refused, "smtp_error", b"")
    edit(server, '"1/1h"', '"2/1h"')
    assert reload(server)["changed"] == "limits.person.messages"
    send()


def test_what_needs_a_restart_is_named(postern):
    edit(postern, 'hostname = "mail.example.org"', 'hostname = "other.example.org"')
    checked = postern.cli_json("config", "check")
    assert checked["ok"] and checked["needs_restart"] == ["hostname"] and checked["takes_effect_on_reload"] == []
    assert "restart" in postern.cli("config", "check").stdout
    assert reload(postern)["changed"] == "nothing"
    assert events(postern, "server.restart_needed")[-1]["options"] == "hostname"
    assert metric(postern, "postern_config_restart_pending_options") == 1


def test_a_wrong_file_changes_nothing(make_postern):
    server = make_postern('[delivery]\nmode = "sandbox"\n[submission]\nmax_message = "2MiB"\n')
    edit(server, 'max_message = "2MiB"', 'max_message = "1MiB"\nmax_mesage = "1MiB"')
    refused = reload(server, "server.reload_refused")
    assert 'did you mean "max_message"?' in refused["why"] and "postern.toml:14:14: " in refused["why"]
    assert ehlo_size(server) == str(2 << 20)
    assert metric(server, "postern_config_last_reload_successful") == 0
    # Right by itself, but its certificate is not there: nothing of it is taken over.
    edit(server, '\nmax_mesage = "1MiB"', "")
    edit(server, f'certificate = "{server.ca}"', 'certificate = "/nonexistent.pem"')
    assert "/nonexistent.pem" in reload(server, "server.reload_refused")["why"]
    assert ehlo_size(server) == str(2 << 20)


def test_other_certificate_files_are_live(postern):
    other = postern.directory / "other"
    other.mkdir()
    make_certificate(other)
    edit(postern, f'certificate = "{postern.ca}"', f'certificate = "{other / "certificate.pem"}"')
    edit(postern, f'key = "{postern.directory / "key.pem"}"', f'key = "{other / "key.pem"}"')
    assert reload(postern)["changed"] == "tls.certificate, tls.key"
    import socket
    import ssl
    with socket.create_connection(("127.0.0.1", postern.submissions), timeout=20) as plain:
        context = ssl._create_unverified_context()
        with context.wrap_socket(plain) as secured:
            served = secured.getpeercert(binary_form=True)
    assert served == openssl("x509", "-in", other / "certificate.pem", "-outform", "DER")


def relay(port, name="hop", more=""):
    return f'[delivery]\nmode = "smarthost"\nsmarthost = "{name}"\n[smarthost.{name}]\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\n{more}'


def send(server, *recipients):
    with smtplib.SMTP("127.0.0.1", server.submission, timeout=20) as client:
        client.starttls()
        client.login(ADDRESS, PASSWORD)
        client.sendmail(ADDRESS, list(recipients), f"From: {ADDRESS}\r\nSubject: one\r\n\r\nhello\r\n")


def taken_by(hop):
    return [line for _sender, recipients, _body in hop.mails for line in recipients]


def rewrite_delivery(server, text):
    """Everything from [delivery] on is replaced."""
    kept = server.config.read_text().split("[delivery]")[0]
    server.config.write_text(kept + text)


def test_where_mail_goes_is_live_for_new_attempts(make_postern, hop):
    other = Hop()
    server = make_postern('[delivery]\nmode = "sandbox"\n')
    send(server, "first@example.net")
    eventually(lambda: server.cli_json("sandbox", "ls"), "a message in the sandbox")

    rewrite_delivery(server, relay(hop.server_address[1]))
    assert set(server.cli_json("config", "check")["takes_effect_on_reload"]) >= {"delivery.mode", "smarthost.hop.host"}
    reload(server)
    assert not events(server, "server.restart_needed")
    send(server, "second@example.net")
    eventually(lambda: taken_by(hop) == [b"RCPT TO:<second@example.net>\r\n"], "the relay to get the second")

    # Mail that waits for a relay that says no goes by the new configuration when it is tried again.
    hop.rcpt_reply = lambda _line: b"451 4.2.0 later"
    send(server, "third@example.net")
    eventually(lambda: [m for m in server.cli_json("queue", "ls") if m["recipients"][0]["attempts"]], "a first attempt")
    rewrite_delivery(server, relay(other.server_address[1], "other"))
    reload(server)
    server.cli("queue", "retry", "--all")
    eventually(lambda: taken_by(other) == [b"RCPT TO:<third@example.net>\r\n"], "the other relay to get the third")

    # Routes too, among them one that holds.
    rewrite_delivery(server, relay(other.server_address[1], "other", '[[route]]\nname = "stop"\nto = ["held.example"]\naction = "hold"\n'))
    reload(server)
    send(server, "x@held.example", "fourth@example.net")
    eventually(lambda: len(taken_by(other)) == 2, "the fourth")
    eventually(lambda: metric(server, "postern_queue_held_recipients") == 1, "the held recipient to be counted")
    other.shutdown()
    other.server_close()


def test_a_reload_in_the_middle_of_a_transaction_lets_it_finish(make_postern, hop):
    import threading
    began, may_end = threading.Event(), threading.Event()

    def slow(_line):
        began.set()
        may_end.wait(20)
        return b"250 2.1.5 ok"

    hop.rcpt_reply = slow
    server = make_postern(relay(hop.server_address[1]))
    send(server, "slow@example.net")
    assert began.wait(20)
    rewrite_delivery(server, '[delivery]\nmode = "sandbox"\n')
    reload(server)
    send(server, "after@example.net")
    eventually(lambda: server.cli_json("sandbox", "ls"), "the new configuration's mail in the sandbox")
    may_end.set()
    eventually(lambda: taken_by(hop) == [b"RCPT TO:<slow@example.net>\r\n"], "the transaction to finish")
    eventually(lambda: server.cli_json("queue", "ls") == [], "the queue to become empty")
    assert len(server.cli_json("sandbox", "ls")) == 1, "nothing was sent twice"


def test_relays_that_cannot_be_used_change_nothing(make_postern, hop):
    server = make_postern(relay(hop.server_address[1]))
    for text, why in [
            (relay(9, "hop", 'user = "u"\npassword_file = "/nonexistent"\n').replace('"none"', '"required"'), "/nonexistent"),
            (relay(9).replace('smarthost = "hop"', 'smarthost = "hup"'), '[smarthost.hup]'),
            (relay(9, "hop", '[[route]]\nname = "x"\nto = ["x.example"]\naction = "smarthost"\nsmarthost = "y"\n'), '[smarthost.y]'),
            (relay(9, "hop", 'rate = "many"\n'), "rate")]:
        rewrite_delivery(server, text)
        assert why in reload(server, "server.reload_refused")["why"], why
    send(server, "still@example.net")
    eventually(lambda: taken_by(hop), "the old relay to get it")
