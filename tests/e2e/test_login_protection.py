"""Guessing passwords: from one address, from many at once, and the owner who goes on working meanwhile."""

import base64
import os
import pathlib
import re
import signal
import smtplib
import subprocess
import threading
import time

import pytest
from conftest import ADDRESS, PASSWORD, ROOT, eventually

FAIL2BAN = ROOT / "build/peers/fail2ban"
FAST = "longest_delay = \"0ms\"\n"


def attempt(server, user=ADDRESS, password="wrong", source="127.0.0.1"):
    with smtplib.SMTP("127.0.0.1", server.submission, timeout=20, source_address=(source, 0)) as client:
        client.starttls()
        client.ehlo()
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return client.docmd("AUTH", f"PLAIN {token}")[0]  # smtplib's login() would try twice


def test_an_attack_from_many_addresses_does_not_stop_the_owner(make_postern):
    server = make_postern('[delivery]\nmode = "sandbox"\n[lockout]\n' + FAST)
    assert attempt(server, password=PASSWORD) == 235
    guesses = [attempt(server, source=f"127.{i}.{i}.{i}") for i in range(1, 13)]
    assert guesses == [535] * 5 + [454] * 7, "the account is locked for strangers after five"
    assert attempt(server, password=PASSWORD, source="127.99.0.1") == 454, "the right password from a new place too"
    assert attempt(server, password=PASSWORD) == 235, "the owner's place stays open"
    assert attempt(server, password=PASSWORD, source="127.0.0.77") == 235, "so does the owner's network"
    assert attempt(server, user="bob@example.org", source="127.99.0.1") == 535, "others are not touched"

    server.stop(signal.SIGKILL)
    server.start()
    for i in range(1, 8):
        attempt(server, source=f"127.{i}.{i}.{i}")
    assert attempt(server, password=PASSWORD, source="127.99.0.1") == 454
    assert attempt(server, password=PASSWORD) == 235, "known places outlive a kill -9"


def test_one_address_is_locked_for_all_names_and_names_cannot_be_told_apart(make_postern):
    server = make_postern('[delivery]\nmode = "sandbox"\n[lockout]\n' + FAST)
    assert [attempt(server, f"nobody{i}@example.org", source="127.0.1.1") for i in range(6)] == [535] * 5 + [454]
    assert attempt(server, password=PASSWORD, source="127.0.1.1") == 454
    known = [attempt(server, ADDRESS, source=f"127.1.{i}.1") for i in range(7)]
    unknown = [attempt(server, "ghost@example.org", source=f"127.2.{i}.1") for i in range(7)]
    assert known == unknown, "an account that exists answers as one that does not"


def test_a_network_and_a_spread_attack_are_locked(make_postern):
    server = make_postern('[delivery]\nmode = "sandbox"\n[lockout]\nnetwork_failures = 6\nspread_networks = 12\n' + FAST)
    codes = [attempt(server, f"n{i}@example.org", source=f"127.5.5.{i}") for i in range(1, 9)]
    assert codes == [535] * 6 + [454] * 2
    assert attempt(server, "n@example.org", source="127.5.6.1") == 535
    for i in range(1, 8):
        attempt(server, f"s{i}@example.org", source=f"127.6.{i}.1")
    assert "lockout.spread_attack" in (server.directory / "server.log").read_text()
    assert [attempt(server, f"t{i}@example.org", source="127.7.0.1") for i in range(2)] == [535, 454]


def test_failures_are_answered_slower_and_an_allowed_network_is_left_alone(make_postern):
    server = make_postern('[delivery]\nmode = "sandbox"\n[lockout]\nlongest_delay = "1s"\nallow = ["127.0.9.0/24"]\n')
    times = []
    for _ in range(5):
        begun = time.monotonic()
        assert attempt(server, source="127.0.1.1") == 535
        times.append(time.monotonic() - begun)
    assert times[4] > times[0] + 0.3, times
    assert [attempt(server, "a@example.org", source="127.0.9.1") for _ in range(8)] == [535] * 8


def test_a_bad_allow_list_is_named(postern):
    config = postern.directory / "bad.toml"
    config.write_text('hostname = "mail.example.org"\n[lockout]\nallow = ["192.0.2.1/24"]\n')
    done = postern.cli("config", "check", ok=False, config=config)
    assert done.returncode == 1 and "bad.toml:3:" in done.stderr and "192.0.2.1/24" in done.stderr


def test_a_flood_of_guesses_from_one_address_does_not_keep_others_out(make_postern):
    server = make_postern('[delivery]\nmode = "sandbox"\n[lockout]\nfree_failures = 1000\n[accounts]\nhash_threads = 1\n')
    answers = []
    flood = [threading.Thread(target=lambda i=i: answers.append(attempt(server, f"f{i}@example.org", source="127.0.8.1")))
             for i in range(60)]
    for thread in flood:
        thread.start()
    eventually(lambda: answers, "the flood to have begun")
    assert attempt(server, password=PASSWORD) == 235
    waiting = sum(thread.is_alive() for thread in flood)
    for thread in flood:
        thread.join()
    assert set(answers) <= {535, 454} and 535 in answers
    assert waiting > 10, "the owner was served before most of those who came first"


@pytest.mark.skipif(not FAIL2BAN.exists(), reason="fail2ban is not unpacked: ./dev deps")
def test_the_fail2ban_filter_finds_failed_logins_and_nobody_else(make_postern, tmp_path):
    server = make_postern('[delivery]\nmode = "sandbox"\n[lockout]\n' + FAST)
    assert attempt(server, password=PASSWORD, source="127.0.4.1") == 235
    sly = '","client":"192.0.2.66","event":"submission.auth_failed'
    for user in [ADDRESS, sly, "submission.auth_failed client 192.0.2.66", "ghost@example.org", "x", "y"]:
        attempt(server, user, source="127.0.3.1")
    log = server.directory / "server.log"
    eventually(lambda: "submission.auth_locked" in log.read_text(), "the lock-out in the log")
    done = subprocess.run(
        ["/usr/bin/python3", FAIL2BAN / "usr/bin/fail2ban-regex", "--raw", "--out", "ip", log,
         ROOT / "packaging/fail2ban/filter.d/postern.conf"],
        env={**os.environ, "PYTHONPATH": str(FAIL2BAN / "usr/lib/python3/dist-packages")},
        capture_output=True, text=True, timeout=60)
    found = re.findall(r"^[0-9a-f.:]+$", done.stdout, re.MULTILINE)
    assert done.returncode == 0 and found == ["127.0.3.1"] * 6, done.stdout + done.stderr
    jail = pathlib.Path(ROOT / "packaging/fail2ban/jail.d/postern.conf").read_text()
    assert "filter   = postern" in jail
