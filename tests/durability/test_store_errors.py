"""The disk says no: every write and sync of queue.db fails with an error of the kernel's, while the server runs. Clients hear
4xx, what was accepted is safe, /readyz tells, and service resumes by itself in the same process."""

import contextlib
import os
import shutil
import smtplib
import subprocess
import urllib.error
import urllib.request

import pytest

from conftest import e2e_server
from senders import ADDRESS, PASSWORD, PATIENCE, SMALL, logged_in, wait_until_delivered

TEMPFAIL = '[queue]\nprobe_interval = "100ms"\n'


@contextlib.contextmanager
def failing(postern, error):
    """The system calls that write queue.db end with `error` (injected by strace), as on a disk that breaks (EIO), whose
    file system was remounted read-only (EROFS), or that is full (ENOSPC)."""
    assert shutil.which("strace"), "strace is not installed (./dev deps test)"
    calls = "pwrite64,fdatasync,fsync,ftruncate"
    paths = [option for name in ("queue.db", "queue.db-wal") for option in ("-P", postern.data / name)]
    strace = subprocess.Popen(["strace", "-f", *paths, "-e", f"trace={calls}", "-e", f"inject={calls}:error={error}",
                               "-o", postern.directory / "strace.out", "-p", str(postern.process.pid)],
                              stderr=subprocess.PIPE, text=True)
    try:
        assert "attached" in strace.stderr.readline()
        yield
    finally:
        strace.terminate()
        strace.wait(PATIENCE)
        strace.stderr.close()


def readiness(postern):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{postern.admin}/readyz", timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def refusal(postern, recipient):
    """How a mail is refused, or None when it is taken; a connection may be turned away before that."""
    try:
        with logged_in(postern) as client:
            client.sendmail(ADDRESS, [recipient], SMALL)
    except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused, smtplib.SMTPConnectError) as refused:
        return refused.smtp_code, refused.smtp_error
    return None


@pytest.mark.parametrize("error", ["EIO", "EROFS", "ENOSPC"])
def test_writes_that_fail_are_told_and_service_resumes_by_itself(make_postern, make_hop, error):
    hop = make_hop("tempfails")
    postern = make_postern(hop.settings(TEMPFAIL))
    answered = []
    for number in range(5):  # some wait in the queue for their next attempt
        assert refusal(postern, f"before-{number}@example.net") is None
        answered.append(f"before-{number}@example.net")
    assert readiness(postern) == (200, "ready\n")
    process = postern.process.pid
    with logged_in(postern) as client, failing(postern, error):
        client.mail(ADDRESS)
        client.rcpt("lost@example.net")
        code, text = client.data(SMALL)
        assert code in (451, 452) and text.startswith(b"4.3."), (code, text)
        # The same session goes on, and is told the same: at MAIL, or at the end of the data.
        refused = [client.mail(ADDRESS)]
        if refused[0][0] == 250:
            client.rcpt("lost@example.net")
            refused = [client.data(SMALL)]
        assert refused[0][0] in (451, 452) and refused[0][1].startswith(b"4.3."), refused
        code, why = readiness(postern)
        assert code == 503 and "the queue cannot be written" in why, (code, why)
        assert metric(postern, "postern_queue_writable") == 0
        turned_away = refusal(postern, "lost@example.net")
        assert turned_away[0] in (421, 451, 452) and turned_away[1].startswith(b"4.3."), turned_away
        assert client.noop()[0] == 250
    e2e_server.eventually(lambda: readiness(postern)[0] == 200, "the server to be ready again")
    e2e_server.eventually(lambda: refusal(postern, "after@example.net") is None, "mail to be taken again")
    hop.habits = []
    wait_until_delivered(postern, hop, [*answered, "after@example.net"])
    assert not hop.taken["lost@example.net"], "what was refused is not sent"
    assert postern.process.pid == process and postern.process.poll() is None
    log = (postern.directory / "server.log").read_text()
    assert "queue.store_failed" in log and "queue.store_works_again" in log
    assert PASSWORD not in log and postern.stop() == 0


def metric(postern, name):
    text = urllib.request.urlopen(f"http://127.0.0.1:{postern.admin}/metrics", timeout=PATIENCE).read().decode()
    return float(next(line for line in text.splitlines() if line.startswith(name + " ")).split()[1])


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_read_only_directory_at_the_start_is_named(make_postern, make_hop):
    hop = make_hop()
    postern = make_postern(hop.settings())
    assert refusal(postern, "before@example.net") is None
    wait_until_delivered(postern, hop, ["before@example.net"])
    postern.stop()
    # In a mount namespace of its own, which ends with the command.
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    said = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", postern.data,
                           e2e_server.BINARY, "--config", postern.config, "serve"], capture_output=True, text=True,
                          timeout=PATIENCE)
    if "unshare failed" in said.stderr or "permission denied" in said.stderr.lower() and "mount" in said.stderr:
        pytest.skip("no mount namespaces here: " + said.stderr)
    assert said.returncode == 1 and str(postern.data) in said.stderr, said
    assert "read-only" in said.stderr.lower() or "readonly" in said.stderr.lower(), said.stderr
    postern.start()
    assert refusal(postern, "after@example.net") is None
    wait_until_delivered(postern, hop, ["before@example.net", "after@example.net"])
