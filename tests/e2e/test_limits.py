"""Sending limits: what each action answers, over restarts and kill -9, the warning by mail, and what the verbs tell."""

import re
import signal
import smtplib
import threading
import time

import pytest
from conftest import ADDRESS, PASSWORD, eventually

SANDBOX = '[delivery]\nmode = "sandbox"\n'


def login(server, password=PASSWORD, source="127.0.0.1"):
    client = smtplib.SMTP("127.0.0.1", server.submission, timeout=20, source_address=(source, 0))
    client.starttls()
    client.login(ADDRESS, password)
    return client


def send(client, to="friend@example.net"):
    """The reply to the first command that was refused, or to the data."""
    to = [to] if isinstance(to, str) else to
    for reply in [client.mail(ADDRESS)] + [client.rcpt(one) for one in to]:
        if reply[0] >= 400:
            client.rset()
            return reply[0], reply[1].decode()
    code, text = client.data(f"From: {ADDRESS}\r\nSubject: x\r\n\r\nx\r\n")
    return code, text.decode()


def used(server, what="messages", limit=None):
    shown = server.cli_json("limits", "show", ADDRESS)["limits"]
    return next(one["used"] for one in shown if one["counts"] == what and limit in (None, one["limit"]))


@pytest.mark.parametrize("action, code, enhanced", [("", 450, "4.7.1"), (" reject", 550, "5.7.1")])
def test_the_reply_carries_limit_use_time_and_reference(make_postern, action, code, enhanced):
    server = make_postern(SANDBOX + f'[limits.person]\nmessages = ["2/1h{action}"]\n')
    with login(server) as client:
        assert [send(client)[0] for _ in range(2)] == [250, 250]
        got, text = send(client)
    assert got == code
    assert re.fullmatch(re.escape(enhanced) + rf" Sending limit: message limit 2/1h{action} of account {ADDRESS} reached: "
                        r"2 used; frees at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; reference [0-9A-Z]{13}", text), text
    reference = text[-13:]
    assert reference in (server.directory / "server.log").read_text()


def test_recipients_and_first_time_recipients_are_counted_and_our_own_domain_is_not(make_postern):
    server = make_postern(SANDBOX + '[limits.person]\nrecipients = ["4/1h"]\nfirst_time = ["2/1h"]\n')
    with login(server) as client:
        assert send(client, [f"colleague{i}@example.org" for i in range(9)])[0] == 250
        assert send(client, ["a@example.net", "b@example.net"])[0] == 250
        assert "first-time recipient limit 2/1h" in send(client, "c@example.net")[1]
        assert send(client, ["a@example.net", "B@example.net"])[0] == 250
        code, text = send(client, "a@example.net")
    assert code == 450 and "recipient limit 4/1h" in text


def test_a_delay_accepts_and_lets_the_mail_wait_in_the_queue(make_postern):
    server = make_postern(SANDBOX + '[limits.person]\nmessages = ["2/1h delay"]\n')
    with login(server) as client:
        replies = [send(client) for _ in range(5)]
    assert [code for code, _ in replies] == [250, 250, 250, 250, 450]
    assert "waits: message limit 2/1h delay" in replies[2][1]
    eventually(lambda: len(server.cli_json("sandbox", "ls")) == 2, "two messages to go at once")
    assert len(server.cli_json("queue", "ls")) == 2


def test_parallel_clients_do_not_get_past_a_limit(make_postern):
    server = make_postern(SANDBOX + '[limits.person]\nmessages = ["10/1h"]\n')
    codes = []

    def run():
        with login(server) as client:
            codes.extend(send(client)[0] for _ in range(5))

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [250] * 10 + [450] * 20


def test_use_outlives_restart_and_kill_and_is_shown(make_postern):
    server = make_postern(SANDBOX + '[limits.person]\nmessages = ["100/1h", "4/1d"]\n'.replace("100/1h", "4/1h"))
    with login(server) as client:
        assert send(client)[0] == 250
    server.stop()
    assert used(server) == 1, "with the server stopped"
    server.start()
    with login(server) as client:
        assert [send(client)[0] for _ in range(2)] == [250, 250]
        assert used(server) == 3
        time.sleep(3)  # what is used is written every half second; nothing tells when
    server.stop(signal.SIGKILL)
    server.start()
    with login(server) as client:
        assert [send(client)[0] for _ in range(2)] == [250, 450]
    eventually(lambda: used(server) == 4, "the use to be saved")
    shown = server.cli_json("limits", "show", ADDRESS)
    assert shown["account"] == ADDRESS
    assert {"counts": "messages", "limit": "4/1d", "max": 4, "used": 4, "left": 0, "window_seconds": 86400,
            "action": "defer"}.items() <= shown["limits"][1].items()
    assert shown["limits"][1]["next_frees"] <= shown["limits"][1]["all_free"]


def test_the_account_is_warned_once_by_mail(make_postern):
    server = make_postern(SANDBOX + '[limits.person]\nmessages = ["10/1h"]\n')
    with login(server) as client:
        assert [send(client)[0] for _ in range(10)] == [250] * 10

    def notices():
        return [one for one in server.cli_json("sandbox", "ls") if ADDRESS in one["recipients"]]

    found = eventually(notices, "the warning")
    eventually(lambda: len(server.cli_json("sandbox", "ls")) == 11, "all mail")
    assert len(notices()) == 1
    text = str(server.cli_json("sandbox", "show", found[0]["id"]))
    assert "You have used 80 % of a sending limit" in text and "8 of 10 messages" in text
    assert used(server) == 10, "the warning itself does not count"


def test_limits_of_an_account_and_of_an_app_password_work_in_open_sessions(make_postern):
    server = make_postern(SANDBOX)
    made = server.cli_json("app-password", "add", ADDRESS, "printer", "--limit", "1/1h", "--limit", "recipients 5/1d")
    assert made["limits"] == ["messages 1/1h", "recipients 5/1d"]
    with login(server) as client, login(server, made["password"]) as printer:
        assert send(client)[0] == 250
        server.cli("limits", "set", ADDRESS, "--messages", "3/1h reject", "--recipients", "none")
        assert send(client)[0] == 250
        assert send(printer)[0] == 250
        code, text = send(printer)
        assert code == 550 and "message limit 3/1h reject" in text, "the program's mail is the account's, too"
        server.cli("limits", "clear", ADDRESS)
        assert send(client)[0] == 250
        code, text = send(printer)
        assert code == 450 and "of this app password of" in text
    eventually(lambda: used(server, limit="1/1h") == 1, "the use to be saved")


@pytest.mark.parametrize("arguments, said", [
    (["set", ADDRESS, "--messages", "0/1h"], "not a limit"),
    (["set", ADDRESS, "--messages", "10/1h", "--messages", "5/1d"], "contradicts"),
    (["set", ADDRESS], "name at least one"),
    (["set", "nobody@example.org", "--messages", "5/1d"], "no account nobody@example.org"),
    (["show", "nobody@example.org"], "no account nobody@example.org"),
])
def test_what_cannot_be_is_said(postern, arguments, said):
    done = postern.cli("limits", *arguments, ok=False)
    assert done.returncode == 1 and said in done.stderr


@pytest.mark.parametrize("lines, place, said", [
    ('[limits.person]\nmessages = ["100/1h",\n  "50/1d"]\n', ":3:", 'limits.person.messages: "100/1h" contradicts "50/1d"'),
    ('[limits.ip]\nmessages = ["5/1h", "6/60m"]\n', ":2:", "one window has one limit"),
    ('[limits.all]\nrecipients = ["0/1h"]\n', ":2:", "limits.all.recipients: not a limit"),
    ('[limits.app]\nfirst_time = ["5/1h later"]\n', ":2:", "defer, delay or reject"),
    ('[limits.persons]\nmessages = []\n', ":1:", "person"),
])
def test_limits_that_contradict_each_other_are_named_with_their_line(postern, lines, place, said):
    config = postern.directory / "bad.toml"
    head = 'hostname = "mail.example.org"\n'
    config.write_text(head + lines)
    place = f":{int(place.strip(':')) + 1}:"
    done = postern.cli("config", "check", ok=False, config=config)
    assert done.returncode == 1
    assert f"{config}{place}" in done.stderr and said in done.stderr, done.stderr
