"""A store that does not work: clients hear 4xx, what was accepted is safe, and service resumes by itself."""

import os
import pathlib
import resource
import smtplib
import sqlite3
import subprocess

import pytest

from conftest import e2e_server
from senders import ADDRESS, SMALL, Senders, logged_in, wait_until_delivered

TMPFS_SIZE = 12 * 1024 * 1024
BODY = SMALL + b"A line of a body that fills the disk, again and again and again.\r\n" * 8000  # half a megabyte


class TmpfsDisk:
    """A file system of its own below the data directory; a file on it takes what is left."""

    def __init__(self, directory):
        self.directory = directory
        self.ballast = directory / "ballast"

    def fill(self, _process):
        with open(self.ballast, "wb", buffering=0) as file:  # nothing is left to write when it is closed
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                return

    def free(self, _process):
        self.ballast.unlink()

    def unmount(self):
        subprocess.run(["umount", "-l", self.directory], check=True)


class LimitedFiles:
    """Where nothing may be mounted: the kernel lets the server's files grow no further."""

    def __init__(self, directory):
        self.directory = directory

    def fill(self, process):
        largest = max((f.stat().st_size for f in self.directory.glob("queue.db*")), default=0)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))

    def free(self, process):
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def unmount(self):
        pass


@pytest.fixture
def disk(tmp_path):
    """The data directory is on a small disk."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_SIZE},mode=0700", "tmpfs", data], capture_output=True).returncode == 0
    small = TmpfsDisk(data) if mounted else LimitedFiles(data)
    yield small
    small.unmount()


def refusals_until_accepted(postern, recipient):
    """The codes of the refusals before the first 250."""
    codes = []

    def accepted():
        try:
            with logged_in(postern) as client:
                client.sendmail(ADDRESS, [recipient], SMALL)
            return True
        except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused, smtplib.SMTPConnectError) as error:
            codes.append(error.smtp_code)
            return False

    e2e_server.eventually(accepted, "mail to be accepted again")
    return codes


def test_a_disk_that_fills_up_refuses_mail_and_keeps_what_it_took(disk, make_postern, make_hop, tmp_path):
    hop = make_hop()
    postern = make_postern(hop.settings(), tmp_path)
    with logged_in(postern) as client:
        client.sendmail(ADDRESS, ["before@example.net"], SMALL)
    disk.fill(postern.process)
    refused = []
    with logged_in(postern) as client:
        for number in range(40):
            try:
                client.sendmail(ADDRESS, [f"full-{number}@example.net"], BODY)
            except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
                refused.append((error.smtp_code, error.smtp_error))
                break
            except smtplib.SMTPServerDisconnected:
                break
    assert refused, "the disk did not fill up"
    assert refused[0][0] in (451, 452) and refused[0][1].startswith(b"4.3."), refused
    disk.free(postern.process)
    refusals_until_accepted(postern, "after@example.net")
    wait_until_delivered(postern, hop, ["before@example.net", "after@example.net"])
    assert postern.stop() == 0


def test_nothing_answered_is_lost_while_the_disk_fills_and_the_server_is_killed(disk, make_postern, make_hop, tmp_path):
    hop = make_hop("tempfails")
    postern = make_postern(hop.settings(), tmp_path)
    answered = []
    for life in range(3):
        senders = Senders(postern, 4, f"f{life}")
        e2e_server.eventually(lambda: len(senders.answered) >= 10, "10 messages to be accepted")
        disk.fill(postern.process)
        e2e_server.eventually(lambda: senders.refused or not any(t.is_alive() for t in senders.threads),
                              "a full disk to be noticed")
        assert {code for code, _ in senders.refused} <= {421, 451, 452}, senders.refused
        postern.stop(9)
        answered += senders.join()
        if hasattr(disk, "ballast"):
            disk.free(None)
        postern.start()
    hop.habits = []
    wait_until_delivered(postern, hop, answered)


def test_a_database_that_is_none_is_named(make_postern, make_hop):
    hop = make_hop()
    postern = make_postern(hop.settings())
    postern.stop()
    path = postern.data / "queue.db"
    sound = path.read_bytes()
    path.write_bytes(b"This is no database." * 300)
    said = postern.cli("serve", ok=False)
    assert said.returncode != 0
    assert str(path) in said.stderr and "not a database" in said.stderr, said.stderr
    path.write_bytes(sound)  # and nothing was changed meanwhile
    postern.start()


def test_a_damaged_record_stops_nobody_else(make_postern, make_hop):
    hop = make_hop()
    postern = make_postern(hop.settings())
    postern.stop()
    postern.config.write_text(postern.config.read_text().replace(f"port = {hop.port}", "port = 9"))
    postern.start()
    with logged_in(postern) as client:
        for user in ("broken", "sound", "rotten"):
            client.sendmail(ADDRESS, [f"{user}@example.net"], SMALL)
    postern.stop()
    ids = {m["recipients"][0]["address"]: m["id"] for m in postern.cli_json("queue", "ls")}
    with sqlite3.connect(postern.data / "queue.db") as database:
        database.execute("UPDATE messages SET ret=99 WHERE id=(SELECT message FROM recipients WHERE address=?)",
                         (b"broken@example.net",))
        database.execute("UPDATE messages SET tail=x'41' WHERE id=(SELECT message FROM recipients WHERE address=?)",
                         (b"rotten@example.net",))
    database.close()
    postern.config.write_text(postern.config.read_text().replace("port = 9", f"port = {hop.port}"))
    postern.start()
    postern.cli("queue", "retry", "--all")
    e2e_server.eventually(lambda: hop.taken["sound@example.net"], "the sound message to be delivered")
    log = pathlib.Path(postern.directory / "server.log")
    for user in ("broken", "rotten"):
        name = ids[f"{user}@example.net"]
        e2e_server.eventually(lambda: any("queue.record_set_aside" in line and name in line
                                          for line in log.read_text().splitlines()), f"{user} to be named")
        assert not hop.taken[f"{user}@example.net"]
        assert postern.cli_json("queue", "show", name), "it is still there"
    with logged_in(postern) as client:
        client.sendmail(ADDRESS, ["later@example.net"], SMALL)
    e2e_server.eventually(lambda: hop.taken["later@example.net"], "new mail to be delivered")


def test_a_damaged_history_is_put_aside_and_mail_goes_on(make_postern, make_hop):
    hop = make_hop()
    postern = make_postern(hop.settings())
    postern.stop()
    path = postern.data / "history.db"
    for file in postern.data.glob("history.db-*"):
        file.unlink()
    path.write_bytes(b"This is no database." * 300)
    postern.start()
    with logged_in(postern) as client:
        client.sendmail(ADDRESS, ["b@example.net"], SMALL)
    wait_until_delivered(postern, hop, ["b@example.net"])
    kept = list(postern.data.glob("history.db.damaged-*"))
    assert len(kept) == 1 and kept[0].read_bytes().startswith(b"This is no database.")
    assert postern.cli_json("trace", "b@example.net"), "there is a history again"
