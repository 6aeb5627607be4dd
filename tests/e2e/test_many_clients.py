"""Thousands of clients that only sit there cost little memory, and the next one is served as if it were alone.

Source: connection-holding attacks (Slowloris, 2009; CWE-400); what RFC 5321 §4.5.3.2.7 allows an honest client, five minutes of
silence, is also what an attacker may use.
"""

import contextlib
import resource
import socket
import ssl
import time

import pytest
from conftest import ADDRESS, PATIENCE, eventually, start_postern
from test_dialogues import Talk, WORDS

IDLE, LOGGED_IN = 3000, 150
NETWORK = 250  # connections that one address may have
# Octets a connection, of the whole process; measured 3 and 19 KiB, and under AddressSanitizer 6 and 160.
MOST_CLEAR, MOST_TLS = 32 << 10, 400 << 10
SETTINGS = ('[delivery]\nmode = "sandbox"\n[submission]\n'
            f'max_connections = {IDLE + LOGGED_IN + 100}\nmax_connections_per_network = {NETWORK}\n')


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE + LOGGED_IN + 1000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"only {hard} open files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))  # the server inherits it
    running = start_postern(tmp_path_factory.mktemp("many"), SETTINGS)
    yield running
    assert running.stop() == 0
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def resident(server):
    with open(f"/proc/{server.process.pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))


def connect(server, number, port=None):
    """From 127.1.x.1: NETWORK connections each."""
    source = (f"127.1.{number // NETWORK}.1", 0)
    return socket.create_connection(("127.0.0.1", port or server.submission), PATIENCE, source_address=source)


def test_thousands_of_idle_clients(server):
    with contextlib.ExitStack() as open_ones:
        # The first logins pay for what is made once: the hashes' memory, the caches.
        for _ in range(3):
            talk = Talk(server, "authed")
            open_ones.enter_context(talk.socket)
        before = resident(server)
        idle = [open_ones.enter_context(connect(server, number)) for number in range(IDLE)]
        for one in idle:
            assert one.recv(4) == b"220 "
        cost = (resident(server) - before) / IDLE
        assert cost < MOST_CLEAR, f"{cost:.0f} octets for a connection in clear"

        before = resident(server)
        context = ssl.create_default_context(cafile=server.ca)
        hello = b"EHLO c\r\nAUTH PLAIN " + WORDS["plain"].encode() + b"\r\n"
        for number in range(LOGGED_IN):
            raw = connect(server, IDLE + number, server.submissions)
            talk = open_ones.enter_context(context.wrap_socket(raw, server_hostname="localhost"))
            talk.sendall(hello)
            said = b""
            while b"\r\n235 " not in said:
                more = talk.recv(65536)
                assert more, said
                said += more
        cost = (resident(server) - before) / LOGGED_IN
        assert cost < MOST_TLS, f"{cost:.0f} octets for a connection that is logged in"

        # The next one is served at once, to the end.
        begun = time.monotonic()
        talk = Talk(server, "authed")
        talk.ask(b"MAIL FROM:<" + ADDRESS.encode() + b">\r\n", "250")
        talk.ask(b"RCPT TO:<bob@example.net>\r\n", "250")
        talk.ask(b"DATA\r\n", "354")
        talk.ask(b"From: " + ADDRESS.encode() + b"\r\n\r\nhi\r\n.\r\n", "250")
        assert time.monotonic() - begun < 5
        # Who has its share gets no more, without a greeting; others do (shed before the banner).
        with connect(server, 0) as one_more:
            assert one_more.makefile("rb").readline() == b"421 4.7.0 Too many connections from your network\r\n"
        with connect(server, 40 * NETWORK) as other:
            assert other.recv(4) == b"220 "
        # Nobody was dropped to make room.
        for one in (idle[0], idle[-1]):
            one.sendall(b"HELO c\r\n")
            said = one.makefile("rb")
            assert said.readline().endswith(b"ESMTP Postern\r\n") and said.readline().startswith(b"250 ")

    def left():
        with connect(server, 0) as again:
            return again.recv(4) == b"220 "

    eventually(left, "the connections to be given back")


def test_no_more_connections_than_configured(make_postern):
    server = make_postern('[delivery]\nmode = "sandbox"\n[submission]\nmax_connections = 5\n')
    with contextlib.ExitStack() as open_ones:
        for number in range(5):
            one = open_ones.enter_context(connect(server, number * NETWORK))
            assert one.recv(4) == b"220 "
        with connect(server, 99 * NETWORK) as more:
            assert more.makefile("rb").read() == b"421 4.3.2 Too many connections; try again later\r\n"
        # On 465 a reply in clear would not be understood and a handshake is the work to be saved.
        with connect(server, 98 * NETWORK, server.submissions) as more:
            more.settimeout(PATIENCE)
            assert more.recv(100) == b""
