"""Memory is bounded: by connections, not by the size of their messages; by destinations, not by the depth of the queue."""

import os
import pathlib
import sqlite3
import threading
import time

from conftest import e2e_server
from senders import ADDRESS, SMALL, logged_in, wait_until_delivered

MIB = 1024 * 1024
RECIPIENTS = 1_000_000 if "POSTERN_SOAK" in os.environ else 200_000
PER_MESSAGE, DOMAINS, ACCOUNTS = 100, 50_000, 20


def memory(postern, what):
    """VmRSS (now) or VmHWM (most so far), in octets."""
    for line in pathlib.Path(f"/proc/{postern.process.pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) * 1024
    raise AssertionError(what)


def test_large_messages_pass_through(make_postern, make_hop):
    hop = make_hop()
    postern = make_postern(hop.settings())
    body = SMALL + (b"x" * 76 + b"\r\n") * (45 * MIB // 78)
    with logged_in(postern) as client:
        client.sendmail(ADDRESS, ["warm@example.net"], SMALL)
    before = memory(postern, "VmHWM")

    def send(number):
        with logged_in(postern) as client:
            client.mail(ADDRESS)
            client.rcpt(f"large-{number}@example.net")
            client.docmd("DATA")
            client.sock.sendall(body)
            client.sock.sendall(b".\r\n")
            assert client.getreply()[0] == 250

    threads = [threading.Thread(target=send, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until_delivered(postern, hop, [f"large-{n}@example.net" for n in range(3)])
    grown = memory(postern, "VmHWM") - before
    assert grown < 40 * MIB, f"{grown // MIB} MiB for 3 messages of 45 MiB"


def fill(path, due):
    """Recipients that wait, in the tables of the running program's version."""
    with sqlite3.connect(path) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(recipients)")]
        messages = [row[1] for row in database.execute("PRAGMA table_info(messages)")]
        now = int(time.time() * 1000)

        def message(number):
            known = {"id": number, "account": 1000 + number % ACCOUNTS, "account_name": b"bulk@example.org", "session": 1,
                     "reverse_path": ADDRESS.encode(), "ret": 0, "smtputf8": 0, "eight_bit": 0, "accepted_at": now,
                     "size": len(SMALL), "pieces": 0, "tail": SMALL, "signing_domain": b""}
            return tuple(known.get(name, b"") for name in messages)

        def recipient(number):
            known = {"message": 1 + number // PER_MESSAGE, "number": number % PER_MESSAGE,
                     "address": b"u%d@d%d.example" % (number, number % DOMAINS), "domain": b"d%d.example" % (number % DOMAINS),
                     "notify": 0, "state": 0, "attempts": 1, "next_attempt": due, "status": b"4.0.0", "text": b"450 later",
                     "account": 1000 + number // PER_MESSAGE % ACCOUNTS, "bounce": 0, "delay_reported": 0}
            return tuple(known.get(name, b"") for name in columns)

        database.executemany(f"INSERT INTO messages VALUES({','.join('?' * len(messages))})",
                             map(message, range(1, 1 + RECIPIENTS // PER_MESSAGE)))
        database.executemany(f"INSERT INTO recipients VALUES({','.join('?' * len(columns))})",
                             map(recipient, range(RECIPIENTS)))
    database.close()


def test_a_deep_queue_starts_in_seconds_and_costs_no_memory(make_postern, make_hop):
    hop = make_hop()
    postern = make_postern(hop.settings())
    empty = memory(postern, "VmRSS")
    postern.stop()
    fill(postern.data / "queue.db", int(time.time() * 1000) + 3_600_000)
    begun = time.monotonic()
    postern.start()
    took = time.monotonic() - begun
    deep = memory(postern, "VmRSS")
    with logged_in(postern) as client:
        client.sendmail(ADDRESS, ["b@example.net"], SMALL)
    e2e_server.eventually(lambda: hop.taken["b@example.net"], "new mail to pass a deep queue")
    groups = postern.cli_json("queue", "ls", "--by", "site", "--limit", "3")
    print(f"\n{RECIPIENTS} recipients: start {took:.1f} s, {deep // MIB} MiB (empty queue: {empty // MIB} MiB)")
    assert groups[0]["recipients"] == RECIPIENTS // DOMAINS
    assert took < 15
    # Memory grows with the flows that wait (an account's mail in a domain), not with the mail.
    assert deep < empty + 150 * MIB and deep - empty < DOMAINS * 600
