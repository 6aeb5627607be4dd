"""Clients that are slow, vanish, flood or lie: the server says so, forgets them, and serves the others.

Sources: slow senders (Slowloris, 2009), resets at every stage, connection floods and BDAT lies as in the hostile-client lists of
other servers' test suites; huge headers (CWE-770); log injection (CWE-117)."""

import json
import socket
import ssl
import struct
import time

import pytest
from conftest import ADDRESS, PATIENCE, eventually, start_postern
from test_dialogues import COMMON, WORDS, Talk

LOGIN = b"AUTH PLAIN " + WORDS["plain"].encode() + b"\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = start_postern(tmp_path_factory.mktemp("hostile"), COMMON +
                            'command_timeout = "2s"\ndata_timeout = "2s"\nmin_data_rate = "1KiB"\nlogin_timeout = "3s"\n'
                            'max_connections_per_network = 8\nmax_errors = 1000\n')
    yield running
    assert running.stop() == 0


def works(server):
    talk = Talk(server, "authed")
    talk.ask(b"QUIT\r\n", "221")


def events(server, name):
    lines = [json.loads(line) for line in (server.directory / "server.log").read_text().splitlines()]
    return [line for line in lines if line["event"] == name]


def begin_data(talk, parameters=b""):
    talk.ask(b"MAIL FROM:<" + ADDRESS.encode() + b">" + parameters + b"\r\n", "250")
    talk.ask(b"RCPT TO:<bob@example.net>\r\n", "250")


def test_who_is_too_slow_is_told_so(server):
    """RFC 5321 §4.5.3.2: 421, then the end; the deadline is that of the whole line, message or login, not of an octet."""
    idle, trickle, busy, slow = Talk(server, ""), Talk(server, "authed"), Talk(server, "tls"), Talk(server, "authed")
    idle.replies("220")
    begin_data(slow)
    slow.ask(b"DATA\r\n", "354")
    begun = time.monotonic()
    done = set()
    while len(done) < 4 and time.monotonic() - begun < PATIENCE:
        for name, talk, octets in (("trickle", trickle, b"N"), ("busy", busy, b"NOOP\r\n"), ("slow", slow, b"x"), ("idle", idle, b"")):
            if name in done:
                continue
            try:
                talk.socket.sendall(octets)
                talk.socket.settimeout(0.05)
                if b"421 4.4.2" in talk.socket.recv(65536):
                    done.add(name)
            except TimeoutError:
                pass
        time.sleep(0.05)
    assert done == {"idle", "trickle", "busy", "slow"}
    works(server)


def test_a_transaction_ends_in_time_however_busy_its_client_is(tmp_path):
    """Neither RCPT after RCPT nor a message that comes fast enough, but never ends, holds a transaction open."""
    server = start_postern(tmp_path, COMMON + 'transaction_timeout = "2s"\nmin_data_rate = "0B"\n')
    try:
        busy, endless = Talk(server, "authed"), Talk(server, "authed")
        begin_data(endless)
        endless.ask(b"DATA\r\n", "354")
        busy.ask(b"MAIL FROM:<" + ADDRESS.encode() + b">\r\n", "250")
        begun, done = time.monotonic(), {}
        while len(done) < 2 and time.monotonic() - begun < PATIENCE:
            for name, talk, octets in (("busy", busy, b"NOOP\r\n"), ("endless", endless, b"x" * 70 + b"\r\n")):
                if name in done:
                    continue
                try:
                    talk.socket.sendall(octets)
                    talk.socket.settimeout(0.05)
                    if b"421 4.4.2" in talk.socket.recv(65536):
                        done[name] = time.monotonic() - begun
                except TimeoutError:
                    pass
        assert set(done) == {"busy", "endless"} and all(1 < seconds < 6 for seconds in done.values()), done
        talk = Talk(server, "authed")
        for _ in range(12):  # a session may be as long as it likes: only transactions are timed
            talk.ask(b"NOOP\r\n", "250")
            time.sleep(0.2)
        talk.ask(b"QUIT\r\n", "221")
    finally:
        assert server.stop() == 0


def test_early_talkers_are_answered_in_turn(server):
    """RFC 5321 §4.3.1: clients wait for the banner; who does not gains nothing by it: each line has its reply, in order."""
    with socket.create_connection(("127.0.0.1", server.submission), PATIENCE) as early:
        early.sendall(b"EHLO early.example\r\nMAIL FROM:<" + ADDRESS.encode() + b">\r\nSTARTTLS\r\nNOOP\r\nMAIL FROM:<>\r\n")
        talk = early.makefile("rb")
        codes = []
        while len(codes) < 4:
            line = talk.readline()
            if line[3:4] == b" ":
                codes.append(line[:3])
        assert codes == [b"220", b"250", b"530", b"220"]
        with ssl.create_default_context(cafile=server.ca).wrap_socket(early, server_hostname="localhost") as secured:
            secured.sendall(b"NOOP\r\n")  # CVE-2011-0411: what came in clear behind STARTTLS is gone
            assert secured.recv(100) == b"250 2.0.0 Ok\r\n"
            secured.sendall(b"MAIL FROM:<>\r\n")
            assert secured.recv(200) == b"503 5.5.1 Bad sequence of commands: send EHLO first\r\n"


def test_too_many_connections_are_turned_away_before_the_banner(server):
    talks = [Talk(server, "") for _ in range(8)]
    for talk in talks:
        talk.replies("220")
    refused = Talk(server, "")
    assert refused.line().startswith("421 4.7.0 ")
    refused.closed()
    for talk in talks:
        talk.ask(b"QUIT\r\n", "221")
        talk.socket.close()
    eventually(lambda: Talk(server, "").line().startswith("220"), "a welcome again")


@pytest.mark.parametrize("said", [b"", b"EHLO x\r\n", b"EHLO x\r\nAUTH LOGIN\r\n", b"EHLO x\r\nAUTH PLAIN ", b"EHLO x\r\n" + LOGIN, b"EHLO x\r\n" + LOGIN + b"MAIL FROM:<>\r\n",
                                  b"EHLO x\r\n" + LOGIN + b"MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\nFrom: a",
                                  b"EHLO x\r\n" + LOGIN + b"MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nBDAT 100\r\nFrom: a"])
def test_a_reset_at_any_stage_leaves_nothing(server, said):
    before = server.cli_json("queue", "ls")
    talk = Talk(server, "implicit")
    talk.socket.sendall(said)
    talk.line()
    talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talk.socket.close()
    works(server)
    assert server.cli_json("queue", "ls") == before


@pytest.mark.parametrize("said", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00", b"GET"])
def test_a_reset_before_or_within_the_handshake_leaves_nothing(server, said):
    for port in (server.submissions, server.submission):
        raw = socket.create_connection(("127.0.0.1", port), PATIENCE)
        raw.sendall(said)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()
    works(server)


@pytest.mark.parametrize("size", [2**63, 2**64 - 1, 2**64, 10**30])
def test_a_chunk_that_cannot_be_is_refused_at_once(server, size):
    talk = Talk(server, "authed")
    begin_data(talk)
    talk.ask(b"BDAT %d LAST\r\n" % size, "552")
    talk.socket.sendall(b"QUIT\r\n" * 10)  # octets of the chunk: no commands
    talk.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        talk.socket.recv(1)
    talk.socket.close()
    works(server)


def test_large_chunks_come_through_whole(server):
    content = b"From: alice@example.org\r\nSubject: chunks\r\n\r\n" + b"".join(b".%d\r\n" % i for i in range(100_000))
    talk = Talk(server, "authed")
    begin_data(talk, b" BODY=8BITMIME")
    middle = len(content) // 2
    talk.ask(b"BDAT %d\r\n" % middle + content[:middle], "250")
    talk.ask(b"BDAT %d LAST\r\n" % (len(content) - middle) + content[middle:], "250")
    talk.ask(b"QUIT\r\n", "221")

    def arrived():
        for entry in server.cli_json("sandbox", "ls"):
            shown = server.cli_json("sandbox", "show", entry["id"])
            if "Subject: chunks" in json.dumps(shown):
                return json.dumps(shown)
        return None

    assert ".99999\\r\\n" in eventually(arrived, "the message in the sandbox")


@pytest.mark.parametrize("field", [b"X-Many: a\r\n", b" folded\r\n", b"To: a@example.net,\r\n", b"Received: x\r\n"])
def test_a_huge_header_is_refused_and_costs_no_memory(server, field):
    """CWE-770: 32 MiB of header, as many fields, as one folded field, or as one list: 552 at the end, and nothing of it is kept."""
    def resident():
        status = open(f"/proc/{server.process.pid}/status").read()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) << 10

    before = resident()
    talk = Talk(server, "authed")
    begin_data(talk)
    talk.ask(b"DATA\r\n", "354")
    talk.socket.sendall(b"From: " + ADDRESS.encode() + b"\r\nX-First: 1\r\n" + field * ((32 << 20) // len(field)))
    talk.ask(b"\r\nbody\r\n.\r\n", "552")
    talk.ask(b"NOOP\r\n", "250")
    talk.socket.close()
    assert resident() - before < 16 << 20
    works(server)


def test_addresses_go_out_as_they_stand_behind_a_dropped_route(server):
    """RFC 5321 §3.6.1, §2.4: %, ! and quoted @ are the next host's business, and a source route leads nowhere."""
    talk = Talk(server, "authed")
    talk.ask(b"MAIL FROM:<" + ADDRESS.encode() + b">\r\n", "250")
    literal = ["bob%inner.example@example.net", "inner.example!bob@example.net", '"bob@inner.example"@example.net', "Bob+Tag@EXAMPLE.net"]
    for path in (*literal, "@inner.example,@evil.example:carol@example.net"):
        talk.ask(b"RCPT TO:<" + path.encode() + b">\r\n", "250")
    talk.ask(b"DATA\r\n", "354")
    talk.ask(b"From: " + ADDRESS.encode() + b"\r\nSubject: literal\r\n\r\nhi\r\n.\r\n", "250")
    talk.ask(b"QUIT\r\n", "221")

    def recipients():
        return [to for entry in server.cli_json("sandbox", "ls") for to in entry["recipients"]]

    eventually(lambda: set(literal) | {"carol@example.net"} <= set(recipients()), "the mail in the sandbox")
    assert not [to for to in recipients() if to.endswith(("@inner.example", "@evil.example"))]


def test_limits_are_what_they_are_announced_as(tmp_path):
    """RFC 9422 §4: MAILMAX counts MAIL commands, good and bad; the one beyond it is 421. RCPTMAX: recipients_too_many.smtp."""
    server = start_postern(tmp_path, COMMON + "max_messages_per_connection = 3\n")
    try:
        talk = Talk(server, "authed")
        assert "250-LIMITS RCPTMAX=1000 MAILMAX=3" in talk.ask(b"EHLO client.example\r\n", "250")
        talk.ask(b"MAIL FROM:<>\r\nRSET\r\n", "250")
        talk.replies("250")
        talk.ask(b"MAIL FROM:<eve@evil.example>\r\n", "550")
        begin_data(talk)
        talk.ask(b"DATA\r\n", "354")
        talk.ask(b"From: " + ADDRESS.encode() + b"\r\n\r\nhi\r\n.\r\n", "250")
        talk.ask(b"MAIL FROM:<" + ADDRESS.encode() + b">\r\n", "421")
        talk.closed()
        works(server)
    finally:
        assert server.stop() == 0


def test_garbage_ends_nobody_else(server):
    for word in ("", "tls", "authed"):
        talk = Talk(server, word)
        try:
            talk.socket.sendall(bytes(range(256)) * 2000 + b"\r\n" * 3000)
            talk.socket.recv(65536)
        except OSError:
            pass  # it may be gone by now
        talk.socket.close()
    raw = socket.create_connection(("127.0.0.1", server.submissions), PATIENCE)
    raw.sendall(b"\x16\x03\x01\x02\x00" + b"\xff" * 1000)
    raw.close()
    works(server)


def test_what_clients_send_cannot_break_the_log_or_flood_it(server):
    """CWE-117; RFC 6409 §5.2: log lines per client are bounded, and each is one JSON object."""
    talk = Talk(server, "tls")
    talk.ask(b"EHLO \x1b[31mevil\r\n", "501")
    talk.ask(b"EHLO client.example\r\n", "250")
    talk.socket.sendall(b"\x1b[2J\x07\x08 {\"event\":\"forged\"}\r\n" * 400)
    for _ in range(400):
        talk.replies("500")
    talk.ask(b"QUIT\r\n", "221")
    log = (server.directory / "server.log").read_bytes()
    assert b"\x1b" not in log and b"\x07" not in log
    assert not events(server, "forged")
    named = events(server, "submission.command_refused")
    assert named and all(line["client"] == "127.0.0.1" for line in named)
    assert len(named) <= 240, "at most 120 a minute"


def test_metrics_tell_what_happened(server):
    import urllib.request
    works(server)
    text = urllib.request.urlopen(f"http://127.0.0.1:{server.admin}/metrics", timeout=PATIENCE).read().decode()
    values = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if not line.startswith("#")}
    assert values['postern_submission_logins_total{result="ok"}'] > 0
    assert values["postern_submission_commands_refused_total"] > 400
    assert values['postern_submission_turned_away_total{reason="too_many_from_network"}'] > 0
    assert values["postern_submission_accepted_total"] == values["postern_submission_commit_seconds_count"] > 0
