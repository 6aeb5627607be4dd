"""Concurrent senders, SIGKILL at random moments: every message answered 250 is in the queue afterwards (RFC 5321 §6.1).

kill -9 keeps the page cache, so this shows the order of commits and replies, not the syncs."""

import random
import signal
import smtplib
import ssl
import threading
import time

from conftest import ADDRESS, PASSWORD, PATIENCE

ROUNDS = 4
SENDERS = 4
UNREACHABLE = ('[delivery]\nmode = "smarthost"\nsmarthost = "away"\n'
               '[smarthost.away]\nhost = "127.0.0.1"\nport = 9\ntls = "none"\n'
               '[limits.person]\nmessages = ["100000/1h"]\nrecipients = ["100000/1d"]\n')
MESSAGE = f"From: {ADDRESS}\r\nSubject: hello\r\n\r\nOne line.\r\n".encode()


def send_until_it_dies(postern, name, answered):
    """Each message has a recipient of its own, noted in `answered` once the 250 has been read."""
    try:
        with smtplib.SMTP("localhost", postern.submission, timeout=PATIENCE) as client:
            client.starttls(context=ssl.create_default_context(cafile=postern.ca))
            client.login(ADDRESS, PASSWORD)
            for number in range(100_000):
                recipient = f"{name}-{number}@example.net"
                client.sendmail(ADDRESS, [recipient], MESSAGE)
                answered.append(recipient)
    except (OSError, smtplib.SMTPException):
        return  # the server was killed


def test_nothing_answered_is_lost(make_postern):
    postern = make_postern(UNREACHABLE)
    moments = random.Random(7)
    answered = []
    for turn in range(ROUNDS):
        before = len(answered)
        senders = [threading.Thread(target=send_until_it_dies, args=(postern, f"{turn}-{n}", answered)) for n in range(SENDERS)]
        for sender in senders:
            sender.start()
        deadline = time.monotonic() + PATIENCE
        while len(answered) < before + 10 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.3))  # the random moment is the subject of the test
        postern.stop(signal.SIGKILL)
        for sender in senders:
            sender.join(PATIENCE)
        assert len(answered) >= before + 10
        postern.start()
    queued = [to["address"] for message in postern.cli_json("queue", "ls", "--limit", "100000") for to in message["recipients"]]
    lost = set(answered) - set(queued)
    assert not lost, f"{len(lost)} of {len(answered)} lost"
    assert len(queued) == len(set(queued)), "a message was queued twice"
    assert len(queued) <= len(answered) + ROUNDS * SENDERS  # at most the one in flight of each sender was not answered
