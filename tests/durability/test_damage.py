"""queue.db that was damaged on the disk: what is broken is set aside and named, stays in the file, and stops nobody else."""

import json
import sqlite3

import pytest
from conftest import e2e_server
from senders import ADDRESS, LARGE, SMALL, logged_in, wait_until_delivered

UNREACHABLE_PORT = 9


def stopped_with_mail(make_postern, hop, mail):
    """A server that was stopped with `mail` (user -> content) in its queue; and the ids by user."""
    postern = make_postern(hop.settings().replace(f"port = {hop.port}", f"port = {UNREACHABLE_PORT}"))
    with logged_in(postern) as client:
        for user, content in mail.items():
            client.sendmail(ADDRESS, [f"{user}@example.net"], content)
    postern.stop()
    ids = {m["recipients"][0]["address"].split("@")[0]: m["id"] for m in postern.cli_json("queue", "ls")}
    assert set(ids) == set(mail)
    postern.config.write_text(postern.config.read_text().replace(f"port = {UNREACHABLE_PORT}", f"port = {hop.port}"))
    return postern, ids


def change(postern, *statements):
    with sqlite3.connect(postern.data / "queue.db") as database:
        for statement, *values in statements:
            assert database.execute(statement, values).rowcount == 1, statement
    database.close()


def set_aside(postern):
    """Queue id -> why, from the log."""
    events = map(json.loads, (postern.directory / "server.log").read_text().splitlines())
    return {e["queue_id"]: e["why"] for e in events if e["event"] == "queue.record_set_aside"}


OF = "(SELECT message FROM recipients WHERE address=?)"


def test_each_kind_of_damaged_record_is_set_aside_and_named(make_postern, make_hop):
    hop = make_hop()
    users = {"envelope": SMALL, "address": SMALL, "tail": SMALL, "piece": LARGE, "short": LARGE, "sound": SMALL, "large": LARGE}
    postern, ids = stopped_with_mail(make_postern, hop, users)
    at = {user: f"{user}@example.net".encode() for user in users}
    change(postern,
           (f"UPDATE messages SET handling='HOLDFOR=x' WHERE id={OF}", at["envelope"]),
           (f"UPDATE messages SET tail=x'41' WHERE id={OF}", at["tail"]),
           (f"DELETE FROM pieces WHERE number=1 AND message={OF}", at["piece"]),
           (f"UPDATE pieces SET content=x'41' WHERE number=0 AND message={OF}", at["short"]),
           ("UPDATE recipients SET address=? WHERE address=?", b"x@y>\r\nRSET", at["address"]))
    postern.start()
    postern.cli("queue", "retry", "--all")
    e2e_server.eventually(lambda: hop.taken["sound@example.net"] and hop.taken["large@example.net"], "the sound ones to be delivered")
    broken = {ids[user] for user in users if user not in ("sound", "large")}
    e2e_server.eventually(lambda: set(set_aside(postern)) == broken, "every damaged one to be named")
    assert all(set_aside(postern).values()), "and why"
    assert sum(hop.taken.values()) == 2, hop.taken
    for name in broken:
        assert postern.cli_json("queue", "show", name), "it is still there"
    assert {m["id"] for m in postern.cli_json("queue", "ls")} == broken
    # The operator decides: what is beyond repair is removed by hand.
    postern.cli("queue", "rm", ids["tail"])
    with logged_in(postern) as client:
        client.sendmail(ADDRESS, ["later@example.net"], SMALL)
    e2e_server.eventually(lambda: hop.taken["later@example.net"], "new mail to be delivered")
    assert postern.stop() == 0


@pytest.mark.parametrize("at", range(5))
def test_a_page_of_garbage_stops_nobody_else(make_postern, make_hop, at):
    hop = make_hop()
    users = {f"u{n}": LARGE for n in range(6)} | {"sound": SMALL}
    postern, ids = stopped_with_mail(make_postern, hop, users)
    path = postern.data / "queue.db"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = database.execute("PRAGMA page_size").fetchone()[0]
    database.close()
    # A page that holds nothing but content, of one message (an overflow page: it begins with the number of the next one).
    # Where rows begin, a scan of all messages cannot do without it.
    raw = bytearray(path.read_bytes())
    needle = b"A line of a body that is larger than a piece."
    pages = [p for p in range(1, len(raw) // size) if raw[p * size] == 0 and raw.count(needle, p * size, (p + 1) * size) > 20]
    assert pages
    page = pages[at * (len(pages) - 1) // 4]
    raw[page * size:(page + 1) * size] = b"\xa5" * size
    path.write_bytes(raw)
    postern.start()
    postern.cli("queue", "retry", "--all")
    with logged_in(postern) as client:
        client.sendmail(ADDRESS, ["later@example.net"], SMALL)
    wait = e2e_server.eventually
    wait(lambda: hop.taken["sound@example.net"] and hop.taken["later@example.net"], "the sound ones to be delivered")
    # All but the one whose page it was are delivered as they were sent; that one is named.
    wait(lambda: sum(bool(hop.taken[f"u{n}@example.net"]) for n in range(6)) >= 5, "the other large ones")
    log = (postern.directory / "server.log").read_text()
    missing = [u for u in users if not hop.taken[f"{u}@example.net"]]
    for user in missing:
        wait(lambda: ids[user] in set_aside(postern), f"{user} to be named")
        assert postern.cli_json("queue", "show", ids[user]), "it is still there"
    assert missing or "sound" in log
    assert postern.stop() == 0
