"""A real server on loopback ports the system chose, and a fake next hop beside it. See test_submission.py."""

import json
import os
import signal
import socketserver
import subprocess
import threading
import time
from pathlib import Path

import pytest

BINARY = Path(os.environ.get("POSTERN_BINARY", Path(__file__).parents[2] / "build/dev/bin/postern"))
PASSWORD = "correct horse battery"
DEADLINE = 30


def wait_until(condition, what):
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {DEADLINE} s for {what}")


class Hop(socketserver.ThreadingTCPServer):
    """A next hop that keeps what it gets; `extensions`, `rcpt_reply` and `data_reply` may be changed by a test."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        self.mails = []
        self.extensions = [b"PIPELINING", b"8BITMIME", b"DSN"]
        self.rcpt_reply = lambda address: b"250 2.1.5 ok"
        self.data_reply = b"250 2.0.0 taken"
        super().__init__(("127.0.0.1", 0), self.Session)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Session(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"220 hop.test ESMTP\r\n")
            sender, recipients = None, []
            for line in self.rfile:
                verb = line[:4].upper()
                if verb == b"EHLO":
                    offered = [b"hop.test", *self.server.extensions]
                    self.wfile.write(b"".join(b"250-%s\r\n" % line for line in offered[:-1]) + b"250 %s\r\n" % offered[-1])
                elif verb == b"MAIL":
                    sender, recipients = line, []
                    self.wfile.write(b"250 2.1.0 ok\r\n")
                elif verb == b"RCPT":
                    reply = self.server.rcpt_reply(line)
                    if reply.startswith(b"2"):
                        recipients.append(line)
                    self.wfile.write(reply + b"\r\n")
                elif verb == b"DATA":
                    if not recipients:
                        self.wfile.write(b"554 5.5.1 no valid recipients\r\n")
                        continue
                    self.wfile.write(b"354 go\r\n")
                    body = b""
                    for text in self.rfile:
                        if text == b".\r\n":
                            break
                        body += text[1:] if text.startswith(b".") else text
                    if self.server.data_reply.startswith(b"2"):
                        self.server.mails.append((sender, recipients, body))
                    self.wfile.write(self.server.data_reply + b"\r\n")
                elif verb == b"QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                else:
                    self.wfile.write(b"250 2.0.0 ok\r\n")


class Server:
    def __init__(self, directory, hop):
        self.directory = directory
        self.data = directory / "data"
        self.config = directory / "postern.toml"
        self.process = None
        self.env = dict(os.environ)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", directory / "key.pem", "-out", directory / "cert.pem"], check=True, capture_output=True)
        self.config.write_text(f"""
hostname = "mail.example.org"
data_dir = "{self.data}"
[listen]
submission = ["127.0.0.1:0"]
submissions = ["127.0.0.1:0"]
admin = ["127.0.0.1:0"]
[tls]
certificate = "{directory}/cert.pem"
key = "{directory}/key.pem"
[delivery]
mode = "smarthost"
smarthost = "hop"
[smarthost.hop]
host = "127.0.0.1"
port = {hop.server_address[1]}
tls = "none"
""")
        self.cli("domain", "add", "example.org")
        self.cli("account", "add", "alice@example.org", "--password-stdin", input=PASSWORD + "\n")

    def cli(self, *verbs, input=None, check=True):
        done = subprocess.run([BINARY, "--config", self.config, *verbs], input=input, capture_output=True, text=True, env=self.env)
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def json(self, *verbs):
        return json.loads(self.cli(*verbs, "--json").stdout)

    def start(self, **env):
        listening = self.data / "listening.json"
        listening.unlink(missing_ok=True)
        self.log = open(self.directory / "log", "ab")
        self.process = subprocess.Popen([BINARY, "--config", self.config, "serve"], stderr=self.log, env={**self.env, **env})
        wait_until(lambda: listening.exists() or self.process.poll() is not None, "the server to listen")
        assert self.process.poll() is None, (self.directory / "log").read_text()
        self.ports = json.loads(listening.read_text())

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(DEADLINE)
        self.log.close()
        return self.process.returncode


@pytest.fixture
def hop():
    server = Hop()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(tmp_path, hop):
    made = Server(tmp_path, hop)
    made.start()
    yield made
    if made.process.poll() is None:
        assert made.stop() == 0, (tmp_path / "log").read_text()
