"""A real `postern serve` for every scenario: own directory, own CA, ports chosen by the kernel."""

import base64
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("POSTERN_BINARY", ROOT / "build/dev/bin/postern"))
ADDRESS = "alice@example.org"
PASSWORD = "correct horse"
SELECTOR = "e2e"
PATIENCE = 20.0  # seconds; generous because the binary may be built with sanitizers


def eventually(look, what, patience=PATIENCE):
    """Polls `look` until it returns something true; fails by name after `patience` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    pytest.fail(f"timed out waiting for {what}")


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True).stdout


def make_certificate(directory):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout", directory / "key.pem", "-out", directory / "certificate.pem")
    os.chmod(directory / "key.pem", 0o600)


class Postern:
    """Owns one data directory and the server process on it."""

    def __init__(self, directory, settings, listen="", tls=""):
        self.directory = directory
        self.data = directory / "data"
        self.data.mkdir(mode=0o700, exist_ok=True)
        self.config = directory / "postern.toml"
        self.ca = directory / "certificate.pem"
        self.dkim_key = directory / "dkim.pem"
        self.process = None
        make_certificate(directory)
        openssl("genrsa", "-out", self.dkim_key, "2048")
        self.config.write_text(
            f'hostname = "mail.example.org"\ndata_dir = "{self.data}"\n'
            '[listen]\nsubmission = ["127.0.0.1:0"]\nsubmissions = ["127.0.0.1:0"]\nadmin = ["127.0.0.1:0"]\n' + listen +
            f'[tls]\ncertificate = "{self.ca}"\nkey = "{directory / "key.pem"}"\n' + tls
            + (settings or '[delivery]\nmode = "sandbox"\n'))

    def cli(self, *arguments, stdin="", ok=True, config=None):
        done = subprocess.run([BINARY, "--config", config or self.config, *arguments], input=stdin, text=True,
                              capture_output=True, timeout=PATIENCE)
        if ok:
            assert done.returncode == 0, f"postern {arguments}: {done.stdout}{done.stderr}"
        return done

    def cli_json(self, *arguments):
        return json.loads(self.cli(*arguments, "--json").stdout)

    def start(self, **environment):
        listening = self.data / "listening.json"
        listening.unlink(missing_ok=True)
        self.log = open(self.directory / "server.log", "ab")
        self.process = subprocess.Popen([BINARY, "--config", self.config, "serve"], stdout=self.log, stderr=self.log,
                                        env={**os.environ, **environment})

        def bound():
            assert self.process.poll() is None, (self.directory / "server.log").read_text()
            return listening.exists() and json.loads(listening.read_text())

        ports = eventually(bound, "the server to listen")
        self.submission, self.submissions, self.admin = (
            ports[name][0] for name in ("submission", "submissions", "admin"))

    def stop(self, how=signal.SIGTERM):
        if self.process is None:
            return 0
        self.process.send_signal(how)
        try:
            code = self.process.wait(PATIENCE)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process = None
            self.log.close()
        return code

    def dkim_record(self, name, timeout=0):
        """What DNS would answer for our selector; the shape that python3-dkim asks for."""
        der = openssl("rsa", "-in", self.dkim_key, "-pubout", "-outform", "DER")
        return b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)

    def sandbox_message(self):
        entry = eventually(lambda: self.cli_json("sandbox", "ls"), "a message in the sandbox")[0]
        return entry, self.cli_json("sandbox", "show", entry["id"])


def start_postern(directory, settings="", **more):
    """A running server with one domain and one account."""
    server = Postern(directory, settings, **more)
    server.cli("domain", "add", "example.org", "--selector", SELECTOR, "--dkim-key", str(server.dkim_key))
    server.cli("account", "add", ADDRESS, "--password-stdin", stdin=PASSWORD + "\n")
    server.start()
    return server


@pytest.fixture
def make_postern(tmp_path):
    servers = []

    def make(settings=""):
        servers.append(start_postern(tmp_path, settings))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def postern(make_postern):
    return make_postern()
