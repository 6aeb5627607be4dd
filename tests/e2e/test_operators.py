"""Operators' verbs on a running server, and the same verbs when it is stopped."""

import json
import smtplib
import socket
import ssl
import threading

import pytest

from scripted_hop import PASSWORD, hop, server, wait_until  # noqa: F401  (fixtures)

ALICE = "alice@example.org"


def send(server, recipients=("bob@example.net",), subject="hello"):
    tls = ssl.create_default_context(cafile=server.directory / "cert.pem")
    with smtplib.SMTP_SSL("localhost", server.ports["submissions"][0], timeout=20, context=tls) as client:
        client.login(ALICE, PASSWORD)
        client.sendmail(ALICE, list(recipients), f"From: {ALICE}\r\nSubject: {subject}\r\n\r\nbody\r\n")


def only_message(server):
    messages = server.json("queue", "ls")
    return messages[0] if len(messages) == 1 else None


def deferred(server):
    message = only_message(server)
    return message if message and not message["active"] and message["recipients"][0]["attempts"] else None


@pytest.fixture
def waiting(server, hop):
    """A message that the next hop has refused for now; `hop` takes it at the next attempt."""
    hop.rcpt_reply = lambda address: b"451 4.7.1 come back later"
    send(server)
    message = wait_until(lambda: deferred(server), "the deferral")
    hop.rcpt_reply = lambda address: b"250 2.1.5 ok"
    return message["id"]


def test_a_deferred_message_tells_why_and_goes_when_it_is_told_to(server, hop, waiting):
    shown = server.json("queue", "show", waiting)[0]
    assert shown["recipients"][0]["text"].endswith("451 4.7.1 come back later") or "come back later" in shown["recipients"][0]["text"]
    assert server.json("queue", "retry", waiting) == {"messages": 1, "under_way": 0, "recipients": 1}
    wait_until(lambda: hop.mails, "the next attempt")
    wait_until(lambda: server.json("queue", "ls") == [], "the queue to be empty")
    events = [event["event"] for event in server.json("trace", waiting)]
    assert events == ["accepted", "deferred", "delivered"]


def test_held_mail_stays_until_it_is_released(server, hop, waiting):
    server.cli("queue", "hold", waiting)
    refused = server.cli("queue", "retry", waiting, check=False)
    assert refused.returncode == 1 and f"postern queue release {waiting}" in refused.stderr
    assert only_message(server)["recipients"][0]["state"] == "held"
    send(server, subject="overtakes")
    wait_until(lambda: hop.mails, "the other message")
    assert b"overtakes" in hop.mails[0][2] and len(hop.mails) == 1
    server.cli("queue", "release", "--sender", ALICE)
    wait_until(lambda: len(hop.mails) == 2, "the released message")


def test_frozen_mail_says_so_wherever_one_looks(server, hop, waiting):
    server.cli("queue", "freeze", ALICE, "--reason", "stolen?")
    for verb in (("release", waiting), ("release", "--all"), ("retry", waiting)):
        refused = server.cli("queue", *verb, check=False)
        assert refused.returncode == 1, verb
        assert "stolen?" in refused.stderr and f"postern queue thaw {ALICE}" in refused.stderr
    for verb in (("ls",), ("show", waiting)):
        assert "stolen?" in server.cli("queue", *verb).stdout
    shown = server.json("account", "show", ALICE)
    assert shown["state"] == "held" and shown["held_because"] == "stolen?"
    assert "stolen?" in server.cli("account", "show", ALICE).stdout
    assert server.json("account", "ls")[0]["state"] == "held"
    assert "postern queue freeze" not in server.cli("account", "suspend", ALICE).stderr, "it is frozen already"
    server.cli("account", "resume", ALICE)
    server.cli("queue", "thaw", ALICE)
    assert server.json("account", "show", ALICE)["state"] == "active"
    wait_until(lambda: hop.mails, "the thawed message")


def test_who_stops_an_account_hears_of_its_waiting_mail(server, waiting):
    told = server.cli("account", "suspend", ALICE).stderr
    assert "1 message of" in told and f"postern queue freeze {ALICE}" in told and f"postern queue rm --account {ALICE}" in told
    told = server.cli("account", "rm", ALICE).stderr
    assert f"postern queue hold --account {ALICE}" in told
    assert server.json("queue", "hold", "--account", ALICE)["messages"] == 1, "the advice works"


def test_a_mistake_in_the_configuration_takes_no_verb_away(server, waiting):
    right = server.config.read_text()
    for mistake in ("nonsense = 1\n" + right, right + "[submission]\nmax_mesage = 1\n", right + "[[broken\n"):
        server.config.write_text(mistake)
        done = server.cli("queue", "ls", "--json")
        assert [message["id"] for message in json.loads(done.stdout)] == [waiting]
        assert str(server.config) in done.stderr and "going on with" in done.stderr
        for verb in (("account", "ls"), ("domain", "ls"), ("alias", "ls"), ("watch", "ls"), ("limits", "show", ALICE), ("trace", waiting)):
            assert "going on with" in server.cli(*verb).stderr, verb
        for strict in (("config", "check"), ("serve",)):
            assert server.cli(*strict, check=False).returncode == 1, strict
    server.config.write_text(right.replace("data_dir", "data_dri"))
    assert server.cli("queue", "ls", check=False).returncode == 1, "nobody knows where to look"


def test_removed_mail_is_gone_without_a_report(server, hop, waiting):
    assert server.json("queue", "rm", "--recipient", "bob@example.net")["messages"] == 1
    assert server.json("queue", "ls") == []
    assert server.cli("queue", "show", waiting, check=False).returncode == 1
    assert hop.mails == []


def test_the_verbs_work_on_a_stopped_server_too(server, hop, waiting):
    assert server.stop() == 0
    listed = server.json("queue", "ls")
    assert [message["id"] for message in listed] == [waiting]
    server.cli("queue", "hold", waiting)
    assert server.json("queue", "show", waiting)[0]["recipients"][0]["state"] == "held"
    assert [event["event"] for event in server.json("trace", ALICE)] == ["accepted", "deferred"]
    assert server.json("queue", "release", "--all") == {"messages": 1, "under_way": 0, "recipients": 1}
    server.start()
    wait_until(lambda: hop.mails, "the delivery after the start")


def test_mistakes_are_named(server):
    for arguments, words in (
            (("queue", "rm"), "--all"),
            (("queue", "show", "no-id"), "not a queue id"),
            (("queue", "show", "0000000000001"), "no message"),
            (("queue", "retry", "0000000000001"), "no message"),
            (("trace", "nobody@example.net"), "nothing is known")):
        done = server.cli(*arguments, check=False)
        assert (done.returncode, words in done.stderr) == (1, True), (arguments, done.stderr)


def test_a_transaction_that_has_begun_is_finished(server, hop):
    """Holding a message in the middle of its transaction says so, and does not tear the conversation."""
    go_on = threading.Event()
    reached = threading.Event()

    def stall(address):
        reached.set()
        go_on.wait(20)
        return b"250 2.1.5 ok"

    hop.rcpt_reply = stall
    try:
        send(server, subject="first")
        assert reached.wait(20)
        first = wait_until(lambda: only_message(server), "the first message")
        assert first["active"]
        answer = server.json("queue", "hold", first["id"])
        assert answer == {"messages": 1, "recipients": 1, "under_way": 1}
    finally:
        go_on.set()
    wait_until(lambda: hop.mails, "the transaction that had begun")
    wait_until(lambda: server.json("queue", "ls") == [], "its end")


def test_the_socket_refuses_garbage_and_goes_on(server):
    path = str(server.data / "admin.sock")
    for garbage in (b"\n", b"GET / HTTP/1.1\r\n\r\n", b"[1]\n", b'{"verb":"queue.list","filter":{"id":7}}\n'):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(path)
            client.sendall(garbage)
            answer = b""
            while chunk := client.recv(4096):
                answer += chunk
            assert json.loads(answer)["error"]["code"] == "malformed"
    assert server.json("queue", "ls") == []
