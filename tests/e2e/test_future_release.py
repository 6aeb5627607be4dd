"""RFC 4865: mail that is to go later waits, can be seen, can be cancelled, goes when its time has come, and is bounded per account."""

import datetime
import smtplib
import ssl

import pytest
from conftest import ADDRESS, PASSWORD, PATIENCE, eventually, start_postern


@pytest.fixture(scope="module")
def postern(tmp_path_factory):
    server = start_postern(tmp_path_factory.mktemp("postern"),
                           '[delivery]\nmode = "sandbox"\n[intake]\nmax_scheduled = 3\n[submission]\nmax_hold = "2h"\n')
    server.cli("account", "add", "bob@example.org", "--password-stdin", stdin=PASSWORD + "\n")
    yield server
    assert server.stop() == 0


def connect(postern, who=ADDRESS):
    client = smtplib.SMTP_SSL("127.0.0.1", postern.submissions, timeout=PATIENCE, context=ssl.create_default_context(cafile=postern.ca))
    client.login(who, PASSWORD)
    return client


def hand_in(client, to, *options, who=ADDRESS):
    """The reply to the end of the data."""
    assert client.mail(who, options)[0] == 250
    assert client.rcpt(to)[0] == 250
    return client.data(f"From: {who}\r\n\r\nLater.\r\n")


def waiting(postern, *arguments):
    return {to["address"]: message for message in postern.cli_json("queue", "ls", *arguments) for to in message["recipients"]}


def stamp(when):
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_scheduled_mail_waits_is_seen_is_bounded_and_can_be_cancelled(postern):
    in_an_hour = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    with connect(postern) as client:
        interval, until = client.esmtp_features["futurerelease"].split()
        assert interval == "7200" and until.endswith("Z")
        assert hand_in(client, "one@example.net", "HOLDFOR=3600")[0] == 250
        assert hand_in(client, "two@example.net", "HOLDUNTIL=" + stamp(in_an_hour))[0] == 250
        assert hand_in(client, "three@example.net", "HOLDFOR=7200")[0] == 250
        seen = waiting(postern)
        assert set(seen) == {"one@example.net", "two@example.net", "three@example.net"}
        assert seen["two@example.net"]["not_before"].startswith(in_an_hour.strftime("%Y-%m-%dT%H:%M:%S"))
        assert set(waiting(postern, "--where", "scheduled=yes")) == set(seen)
        assert "sent with the wish to go at" in postern.cli("queue", "ls").stdout
        code, text = hand_in(client, "four@example.net", "HOLDFOR=60")
        assert code == 450 and text.startswith(b"4.7.1 Sending limit: 3 messages of this account wait for their time"), text
        assert hand_in(client, "now@example.net")[0] == 250, "what goes at once is no part of that"
        with connect(postern, "bob@example.org") as other:
            assert hand_in(other, "bob@example.net", "HOLDFOR=60", who="bob@example.org")[0] == 250, "nor are others'"
        postern.cli("queue", "retry", "--where", "scheduled=yes")
        assert {"one@example.net", "two@example.net"} <= set(waiting(postern)), "an operator's retry is no reason to go early"
        postern.cli("queue", "rm", seen["one@example.net"]["id"])
        assert "one@example.net" not in waiting(postern)
        assert hand_in(client, "four@example.net", "HOLDFOR=3600")[0] == 250, "the cancelled one made room"
        postern.cli("queue", "rm", "--where", f"scheduled=yes account={ADDRESS}")
        assert set(waiting(postern, "--where", "scheduled=yes")) == {"bob@example.net"}
    sent = eventually(lambda: postern.cli_json("sandbox", "ls"), "what was not scheduled")
    assert [entry["recipients"] for entry in sent] == [["now@example.net"]]


def test_it_goes_when_its_time_has_come_even_after_a_restart(postern):
    with connect(postern) as client:
        assert hand_in(client, "soon@example.net", "HOLDFOR=2")[0] == 250
        assert hand_in(client, "past@example.net", "HOLDUNTIL=2001-01-01T00:00:00Z")[0] == 250
    postern.stop()
    postern.start()

    def arrived():
        return {to for entry in postern.cli_json("sandbox", "ls") for to in entry["recipients"]}

    eventually(lambda: {"soon@example.net", "past@example.net"} <= arrived(), "both")
