"""What the kernel is asked: each 250 after the data follows a sync that returned, and connections share syncs."""

import contextlib
import re
import shutil
import smtplib
import ssl
import subprocess
import threading


from senders import ADDRESS, PASSWORD, PATIENCE, SMALL, logged_in

MESSAGES = 10
CONNECTIONS, WAVES = 20, 10
UNREACHABLE = ('[delivery]\nmode = "smarthost"\nsmarthost = "away"\n[smarthost.away]\nhost = "127.0.0.1"\nport = 9\n'
               'tls = "none"\n[limits.person]\nmessages = ["100000/1h"]\nrecipients = ["100000/1d"]\n')


@contextlib.contextmanager
def traced(postern, output):
    """The system calls of the running server, one a line, file names with the descriptors."""
    assert shutil.which("strace"), "strace is not installed (./dev deps test)"
    strace = subprocess.Popen(["strace", "-f", "-yy", "-s", "0", "-o", output, "-p", str(postern.process.pid), "-e",
                               "trace=fsync,fdatasync,write,writev,sendto,sendmsg"], stderr=subprocess.PIPE, text=True)
    try:
        assert "attached" in strace.stderr.readline()
        yield
    finally:
        strace.terminate()
        strace.wait(PATIENCE)
        strace.stderr.close()


def calls(output):
    """(name, file, result) in the order in which the calls ended; a call that was interrupted in the listing counts
    where it was resumed."""
    begun = {}
    for line in output.read_text(errors="replace").splitlines():
        pid, call = line.split(None, 1)
        if match := re.match(r"(\w+)\(\d+<(.*?)>[,) ].*<unfinished \.\.\.>", call):
            begun[pid] = match.groups()
        elif (match := re.match(r"<\.\.\. (\w+) resumed>.*= (-?\d+)", call)) and pid in begun:
            yield (*begun.pop(pid), int(match.group(2)))
        elif match := re.match(r"(\w+)\(\d+<(.*?)>[,)].*= (-?\d+)", call):
            yield match.group(1), match.group(2), int(match.group(3))


def is_sync(call):
    return call[0] in ("fsync", "fdatasync") and "queue.db" in call[1]


def test_each_250_follows_a_sync_that_returned(make_postern, tmp_path):
    postern = make_postern(UNREACHABLE)
    output = tmp_path / "trace"
    with logged_in(postern) as client:
        peer = f":{client.sock.getsockname()[1]}]"
        with traced(postern, output):
            for _ in range(MESSAGES):
                client.mail(ADDRESS)
                client.rcpt("b@example.net")
                client.data(SMALL)
            client.noop()  # a reply without any sync, and the end of what is looked at
    syncs_before_reply, syncs = [], 0
    for call in calls(output):
        if is_sync(call):
            assert call[2] == 0, call
            syncs += 1
        elif peer in call[1]:
            syncs_before_reply.append(syncs)
            syncs = 0
    # MAIL, RCPT, 354, 250. The NOOP's own reply may be read before the tracer has seen its call return; what came
    # before it was seen, because the server could not have answered it otherwise.
    assert len(syncs_before_reply) >= 4 * MESSAGES
    syncs_before_reply = syncs_before_reply[:4 * MESSAGES]
    finals = syncs_before_reply[3::4]
    assert len(finals) == MESSAGES and all(finals), f"a 250 without a sync before it: {finals}"
    # Syncs are not just everywhere: MAIL and RCPT are answered without any (the attempt's outcome may fall there).
    assert sum(1 for n in syncs_before_reply[1::4] if n) <= MESSAGES // 2


def test_connections_share_their_syncs(make_postern, tmp_path):
    # Tracing and sanitizers make the server and its clients many times slower: so is the wait for company.
    postern = make_postern(UNREACHABLE + '[queue]\nmax_commit_delay = "30ms"\n')
    output = tmp_path / "trace"
    barrier = threading.Barrier(CONNECTIONS)
    accepted = []

    def send():
        with smtplib.SMTP("localhost", postern.submission, timeout=PATIENCE) as client:
            client.starttls(context=ssl.create_default_context(cafile=postern.ca))
            client.login(ADDRESS, PASSWORD)
            for _ in range(WAVES):
                client.mail(ADDRESS)
                client.rcpt("b@example.net")
                client.docmd("DATA")
                client.send(SMALL)
                barrier.wait(PATIENCE)  # all at once, as a busy server sees it; Python alone is too slow for that
                client.send(b".\r\n")
                accepted.append(client.getreply()[0])

    with traced(postern, output):
        threads = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(4 * PATIENCE)
    assert accepted == [250] * (CONNECTIONS * WAVES)
    syncs = sum(1 for call in calls(output) if is_sync(call))
    assert syncs > 0
    assert syncs / len(accepted) < 0.3, f"{syncs} syncs for {len(accepted)} messages"
