"""Every file of tests/dialogues over TLS against a real server; src/submission/dialogue_test.cc runs them in a process."""

import base64
import fnmatch
import pathlib
import re
import socket
import ssl

import pytest
from conftest import ADDRESS, PASSWORD, PATIENCE, start_postern

DIRECTORY = pathlib.Path(__file__).resolve().parents[1] / "dialogues"
# No dialogue shall depend on how many logins failed, or messages went, in those before it.
COMMON = ('[delivery]\nmode = "sandbox"\n[lockout]\nfree_failures = 1000\n'
          '[limits.person]\nmessages = ["10000/1h"]\nrecipients = ["100000/1h"]\n[submission]\npostmaster = "hostmaster@example.org"\n')
SETTINGS = {"usual": COMMON, "small": COMMON + 'max_message = "64KiB"\nmax_recipients = 100\nmax_errors = 5\n'}
WORDS = {"me": ADDRESS, "plain": base64.b64encode(f"\0{ADDRESS}\0{PASSWORD}".encode()).decode(),
         "wrong": base64.b64encode(f"\0{ADDRESS}\0wrong".encode()).decode()}


def braced(match):
    inside = match.group(1)
    if inside in WORDS:
        return WORDS[inside]
    text, count = inside.rsplit("*", 1)
    return text * int(count)


def octets(text):
    """The form of DialogueLine's text: braces first, so that escapes inside them are repeated too."""
    text = re.sub(r"(?<!\\)\{([^}]*)\}", braced, text)
    simple = {"r": b"\r", "n": b"\n", "t": b"\t"}

    def plain(match):
        code = match.group(1)
        return bytes([int(code[1:], 16)]) if len(code) == 3 else simple.get(code, code.encode())

    out, at = b"", 0
    for match in re.finditer(r"\\(x[0-9a-f]{2}|.)", text):
        out += text[at:match.start()].encode() + plain(match)
        at = match.end()
    return out + text[at:].encode()


def like(line, pattern):
    return fnmatch.fnmatchcase(line, re.sub(r"([\[\]?])", r"[\1]", pattern))


class Talk:
    """One connection, and what came over it."""

    def __init__(self, server, word):
        self.server = server
        self.buffer = b""
        port = server.submissions if word == "implicit" else server.submission
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        if word == "implicit":
            self.secure()
        if word in ("tls", "authed"):
            self.replies("220")
            self.ask(b"EHLO client.example\r\n", "250")
            self.ask(b"STARTTLS\r\n", "220")
            self.secure()
        if word == "authed":
            self.ask(b"EHLO client.example\r\n", "250")
            self.ask(b"AUTH PLAIN " + WORDS["plain"].encode() + b"\r\n", "235")

    def secure(self):
        context = ssl.create_default_context(cafile=self.server.ca)
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")

    def ask(self, command, code):
        self.socket.sendall(command)
        return self.replies(code)

    def line(self):
        while b"\r\n" not in self.buffer:
            more = self.socket.recv(65536)
            assert more, f"the server closed after {self.buffer!r}"
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode()

    def replies(self, code):
        lines = [self.line()]
        while lines[-1].startswith(code + "-"):
            lines.append(self.line())
        assert lines[-1].startswith(code + " "), lines
        return lines

    def closed(self):
        assert self.buffer == b""
        try:
            assert self.socket.recv(1) == b""
        except ssl.SSLEOFError:
            pass


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    running = {}

    def get(settings):
        if settings not in running:
            running[settings] = start_postern(tmp_path_factory.mktemp(settings), SETTINGS[settings])
        return running[settings]

    yield get
    for server in running.values():
        assert server.stop() == 0


@pytest.mark.parametrize("name", sorted(path.stem for path in DIRECTORY.glob("*.smtp")))
def test_dialogue(servers, name):
    settings, talk, closed = "usual", None, False
    for number, line in enumerate((DIRECTORY / f"{name}.smtp").read_text().split("\n"), 1):
        mark, text = line[:2], line[3:]
        where = f"{name}.smtp:{number}: {line[:200]}"
        if not line or line.startswith("#"):
            continue
        if line == "! small":
            settings = "small"
            continue
        set_up = line[2:] if line in ("! tls", "! authed", "! implicit") else ""
        if talk is None:
            talk = Talk(servers(settings), set_up)
        if set_up:
            continue
        if line == "! starttls":
            assert talk.buffer == b"", where
            talk.secure()
        elif line == "! closed":
            talk.closed()
            closed = True
        elif mark == "C:":
            talk.socket.sendall(octets(text) + b"\r\n")
        elif mark == "C>":
            talk.socket.sendall(octets(text))
        elif mark == "S:":
            got = talk.line()
            assert like(got, text), f"{where}: {got}"
        elif mark == "S+":
            code, *patterns = text.split()
            lines = [reply[4:] for reply in talk.replies(code)]
            for pattern in patterns:
                assert any(like(reply, pattern[1:]) for reply in lines) == (pattern[0] == "+"), f"{where}: {pattern}"
        else:
            pytest.fail(f"{where}: not a line of a dialogue")
    if not closed:
        assert talk.ask(b"QUIT\r\n", "221") == ["221 2.0.0 mail.example.org closing connection"]
        talk.closed()
