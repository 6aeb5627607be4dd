"""What an operator does to accounts while the server runs counts at once; limits and lock-outs say what they are."""

import base64
import datetime
import re
import smtplib
import ssl

import pytest

from conftest import PATIENCE, eventually, start_postern

SETTINGS = ('[delivery]\nmode = "sandbox"\n'
            '[limits.app]\nmessages = ["2/1h"]\nrecipients = ["5/1d"]\n'
            '[lockout]\nfree_failures = 3\nfirst_lockout = "3s"\nlongest_lockout = "3s"\n')


@pytest.fixture(scope="module")
def postern(tmp_path_factory):
    server = start_postern(tmp_path_factory.mktemp("postern"), SETTINGS)
    yield server
    server.stop()


def add(postern, name, password="secret", *options):
    postern.cli("account", "add", f"{name}@example.org", "--password-stdin", *options, stdin=password + "\n")
    return f"{name}@example.org"


def connect(postern, source="127.0.0.1"):
    client = smtplib.SMTP("127.0.0.1", postern.submission, timeout=PATIENCE, source_address=(source, 0))
    context = ssl.create_default_context(cafile=postern.ca)
    client.starttls(context=context)
    client.ehlo()
    return client


def login(postern, address, password="secret", source="127.0.0.1"):
    """The session of a successful login."""
    client = connect(postern, source)
    client.login(address, password)
    return client


def refusal(postern, address, password="secret", source="127.0.0.1"):
    """Code and text of a login that fails; None when it does not. One attempt: smtplib's login() would make two."""
    with connect(postern, source) as client:
        token = base64.b64encode(f"\0{address}\0{password}".encode()).decode()
        code, text = client.docmd("AUTH", f"PLAIN {token}")
    return None if code == 235 else (code, text.decode())


def mail(address, sender=None):
    return f"From: {sender or address}\r\nSubject: hello\r\n\r\nOne line.\r\n".encode()


def test_a_new_password_counts_at_once(postern):
    address = add(postern, "passwd")
    with login(postern, address) as open_session:
        assert refusal(postern, address) is None  # from the cache of logins
        postern.cli("account", "passwd", address, "--password-stdin", stdin="changed\n")
        assert refusal(postern, address) == (535, "5.7.8 Authentication credentials invalid")
        assert refusal(postern, address, "changed") is None
        assert open_session.mail(address) == (550, b"5.7.1 the password was changed: log in again")


def test_a_suspension_counts_at_once_and_can_be_taken_back(postern):
    address = add(postern, "suspend")
    with login(postern, address) as open_session, login(postern, address) as uploading:
        uploading.mail(address)
        uploading.rcpt("friend@example.net")
        assert uploading.docmd("DATA")[0] == 354
        uploading.send(mail(address))
        postern.cli("account", "suspend", address)
        assert {row["address"]: row["state"] for row in postern.cli_json("account", "ls")}[address] == "suspended"
        uploading.send(b".\r\n")
        assert uploading.getreply() == (550, b"5.7.1 the account is suspended")
        assert open_session.mail(address) == (550, b"5.7.1 the account is suspended")
        assert refusal(postern, address) == (535, "5.7.8 Authentication credentials invalid")  # as for a wrong password
        postern.cli("account", "resume", address)
        assert refusal(postern, address) is None
        assert open_session.sendmail(address, ["friend@example.net"], mail(address)) == {}


def test_a_removed_account_is_gone(postern):
    address = add(postern, "remove")
    with login(postern, address) as open_session:
        postern.cli("account", "rm", address)
        assert refusal(postern, address) == (535, "5.7.8 Authentication credentials invalid")
        assert open_session.mail(address) == (550, b"5.7.1 the account was removed")
    # The same address again is another account: nothing of the old one comes back.
    add(postern, "remove", "other")
    assert refusal(postern, address) is not None
    assert refusal(postern, address, "other") is None


def test_aliases_and_domains_come_and_go(postern):
    address = add(postern, "alias")
    postern.cli("domain", "add", "shop.example")
    with login(postern, address) as client:
        def may_send_as(sender):
            code, text = client.mail(sender)
            if code == 250:
                client.rcpt("friend@example.net")
                code, text = client.data(mail(address, sender))
            client.rset()
            assert code == 250 or (code, text.decode()) == (550, f"5.7.1 {address} may not send as {sender}")
            return code == 250

        assert may_send_as("alias+tag@example.org")
        for alias, sender in (("sales@example.org", "sales@example.org"), ("*@shop.example", "anybody@shop.example")):
            assert not may_send_as(sender)
            postern.cli("alias", "add", alias, address)
            assert may_send_as(sender)
            postern.cli("alias", "rm", alias)
            assert not may_send_as(sender)

        # Rights without a key: refused rather than sent unsigned.
        postern.cli("alias", "add", "*@unsigned.example", address)
        assert client.mail("x@unsigned.example")[0] == 250
        client.rcpt("friend@example.net")
        code, text = client.data(mail(address, "x@unsigned.example"))
        assert code == 550 and text.startswith(b"5.7.1 Not sent unsigned: no DKIM key for unsigned.example")


# "old secret" in the formats that other mail servers' user tables hold
HASHES = {
    "sha512": "$6$rounds=5000$saltsaltsalt$YzjftDvPRAViAwb0N06SodjCKP90wdixXzjhr4MybTGi7URD8gLKQbeRasoNtQ6yEF/c7GWVJwoLof1glk/KH.",
    "yescrypt": "$y$j9T$saltsaltsaltsalt$yaL4I8/81c8kjQWfmrFidl7p53ozQJlzduYdWyB1/T0",
    "bcrypt": "$2b$05$abcdefghijklmnopqrstuujKWDrmpUXu10fG/2mj./vFX3pPExfte",
}


@pytest.mark.parametrize("scheme", HASHES)
@pytest.mark.parametrize("prefix", ["", "{CRYPT}"], ids=["plain", "dovecot"])
def test_imported_hashes_log_in(postern, scheme, prefix):
    address = add(postern, f"{scheme}-{len(prefix)}", prefix + HASHES[scheme], "--hash")
    assert refusal(postern, address, "old secret") is None
    assert refusal(postern, address, "Old secret") is not None


def test_the_reply_names_limit_use_and_end(postern):
    address = add(postern, "limited", "secret", "--class", "app")
    with login(postern, address) as client:
        assert client.mail(address)[0] == 250
        answers = [client.rcpt(f"friend{n}@example.net") for n in range(6)]
        assert [code for code, _ in answers] == [250] * 5 + [450]
        assert b"recipient limit 5/1d of account limited@example.org reached: 0 used; this message alone has 6" in answers[5][1]
        client.rset()
        for _ in range(2):
            client.sendmail(address, ["friend@example.net"], mail(address))
        code, text = client.mail(address)
        assert code == 450
        match = re.fullmatch(r"4\.7\.1 Sending limit: message limit 2/1h of account .* reached: 2 used; frees at (.*) UTC; reference .*", text.decode())
        frees = datetime.datetime.fromisoformat(match[1] + "+00:00") - datetime.datetime.now(datetime.timezone.utc)
        assert datetime.timedelta(minutes=55) < frees <= datetime.timedelta(hours=1)
    # The limit is the account's, not the session's; a class without such a limit is not touched.
    with login(postern, address) as client:
        assert client.mail(address)[0] == 450
    with login(postern, "alice@example.org", "correct horse") as client:
        assert client.mail("alice@example.org")[0] == 250


LOCKED = (454, "4.7.0 Too many failed logins; try again later")
WRONG = (535, "5.7.8 Authentication credentials invalid")


def test_failed_logins_lock_the_network_for_a_while(postern):
    victims = [add(postern, f"network{n}") for n in range(2)]
    for n in range(3):
        assert refusal(postern, f"nobody{n}@example.org", "guess", "127.0.0.20") == WRONG
    assert refusal(postern, victims[0], source="127.0.0.20") == LOCKED, "the right password is not even looked at"
    assert refusal(postern, victims[0], source="127.0.0.21") is None, "another network is not touched"
    eventually(lambda: refusal(postern, victims[1], source="127.0.0.20") is None, "the end of the lock-out")


def test_guessing_elsewhere_does_not_stop_the_owner(postern):
    address = add(postern, "owner")
    assert refusal(postern, address, source="127.0.0.30") is None  # a known place from now on
    for n in range(3):
        assert refusal(postern, address, f"guess{n}", f"127.0.0.{31 + n}") == WRONG
    assert refusal(postern, address, source="127.9.0.39") == LOCKED, "the account is locked for strangers"
    assert refusal(postern, address, source="127.0.0.30") is None
    # Failures at the known place lock that place, and nobody beside it.
    for n in range(3):
        assert refusal(postern, address, f"typo{n}", "127.0.0.30") == WRONG
    assert refusal(postern, address, source="127.0.0.30") == LOCKED
    assert refusal(postern, add(postern, "neighbour"), source="127.0.0.30") is None
