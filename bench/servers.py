"""The servers that are compared: Postern, and a private instance of Debian's Postfix. Each has a directory, ports and a sink of
its own; nothing of the system's own Postfix or OpenDKIM is read or changed."""

import contextlib
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BINARIES = ROOT / "build/bench/bin"
USER, OTHER_USER, PASSWORD, REALM = "alice@example.org", "shop@example.org", "correct horse battery", "example.org"
PATIENCE = 30.0


class Failed(Exception):
    """A server or a client did not do what a measurement needs."""


def until(look, what):
    """Polls `look` until it returns something true."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    raise Failed(f"timed out waiting for {what}")


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def make_keys(directory):
    """One certificate (ECDSA P-256) and one DKIM key (RSA-2048) for all servers."""
    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", directory / "key.pem",
            "-out", directory / "certificate.pem")
    openssl("genrsa", "-out", directory / "dkim.pem", "2048")
    for name in ("key.pem", "dkim.pem"):
        (directory / name).chmod(0o600)


class Sink:
    """The next hop of one server; knows when the n-th message has arrived."""

    def __init__(self, port=0, milliseconds=0):
        """A message takes `milliseconds` after its end."""
        self.process = subprocess.Popen([BINARIES / "postern_sink", f"127.0.0.1:{port}", str(milliseconds)],
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.expected = 0

    def ask(self, question, patience=60):
        """The lines of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            connection.settimeout(patience)
            lines = connection.makefile("rwb")
            lines.readline()
            lines.write(question.encode() + b"\r\n")
            lines.flush()
            answer = []
            while line := lines.readline().decode().rstrip():
                answer.append(line[4:])
                if line[3:4] == " ":
                    break
            return answer

    def count(self):
        """How many messages have arrived."""
        return int(self.ask("XWAIT 0")[0].split()[0])

    def watched(self):
        """When mail for each recipient called watched... arrived (CLOCK_MONOTONIC, ns)."""
        return {address: int(when) for address, when in (line.split() for line in self.ask("XWHEN")[:-1])}

    def wait_for(self, more):
        """Waits until `more` messages have arrived since the last call; when the last of them did (CLOCK_MONOTONIC, ns)."""
        self.expected += more
        count, last = self.ask(f"XWAIT {self.expected}")[0].split()
        if int(count) != self.expected:
            raise Failed(f"{count} messages arrived, expected {self.expected}")
        return int(last)

    def stop(self):
        end(self.process)


class Server:
    """What both have: a directory, a sink, the processes they are made of."""

    name = "?"

    def __init__(self, directory, keys, dkim):
        self.directory, self.keys, self.dkim = directory, keys, dkim
        self.directory.mkdir()
        self.directory.chmod(0o755)
        self.sink = Sink()
        self.processes = []

    def start(self):
        """Until it listens. Whatever comes of it, stop() ends what was started."""
        raise NotImplementedError

    def roots(self):
        return [process.pid for process in self.processes]

    def run(self, *command):
        log = open(self.directory / f"{pathlib.Path(command[0]).name}.log", "ab")
        self.processes.append(subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, start_new_session=True))
        log.close()
        return self.processes[-1]

    def stop(self):
        for process in self.processes:
            end(process)
        self.sink.stop()


class Postern(Server):
    name = "postern"

    def start(self):
        directory, keys = self.directory, self.keys
        self.data = directory / "data"
        self.data.mkdir(mode=0o700)
        self.config = directory / "postern.toml"
        self.config.write_text(self.settings())
        self.cli("domain", "add", REALM, "--selector", "bench", "--dkim-key", keys / "dkim.pem")
        for user in (USER, OTHER_USER):
            self.cli("account", "add", user, "--password-stdin", stdin=PASSWORD + "\n")
        process = self.run(BINARIES / "postern", "--config", self.config, "serve")
        listening = self.data / "listening.json"
        until(lambda: listening.exists() or process.poll() is not None, "Postern to listen")
        if process.poll() is not None:
            raise Failed((directory / "postern.log").read_text())
        self.port = json.loads(listening.read_text())["submission"][0]

    def settings(self):
        """Defaults, but for the limits that a single account on a single address would meet."""
        many = '["100000000/1h"]'
        return f"""hostname = "mail.example.org"
data_dir = "{self.data}"
[listen]
submission = ["127.0.0.1:0"]
submissions = ["127.0.0.1:0"]
admin = ["127.0.0.1:0"]
[tls]
certificate = "{self.keys}/certificate.pem"
key = "{self.keys}/key.pem"
[submission]
max_connections_per_network = 100000
[limits.person]
messages = {many}
recipients = {many}
[delivery]
mode = "smarthost"
smarthost = "sink"
{'' if self.dkim else 'sign = "none"'}
[smarthost.sink]
host = "127.0.0.1"
port = {self.sink.port}
tls = "none"
"""

    @contextlib.contextmanager
    def slow_sink(self, milliseconds):
        """Another next hop in the place of the sink, which takes its time."""
        usual = self.sink
        usual.stop()
        self.sink = Sink(usual.port, milliseconds)
        try:
            yield self.sink
        finally:
            self.sink.stop()
            self.sink = Sink(usual.port)

    def cli(self, *arguments, stdin=""):
        subprocess.run([BINARIES / "postern", "--config", self.config, *arguments], input=stdin, text=True, check=True,
                       capture_output=True, timeout=PATIENCE)


class Postfix(Server):
    """Debian's Postfix with STARTTLS and Cyrus SASL (a password file read in its own process: no helper to wait for), and with
    OpenDKIM as a milter where signatures are measured. Needs root: Postfix changes to its own user."""

    name = "postfix"

    def start(self):
        directory = self.directory
        self.port = free_port()
        for folder in ("etc", "etc/sasl", "queue", "data"):
            (directory / folder).mkdir()
        shutil.chown(directory / "data", "postfix")
        self.make_password_file()
        if self.dkim:
            self.start_opendkim()
        (directory / "etc/main.cf").write_text(self.main_cf())
        (directory / "etc/master.cf").write_text(self.master_cf())
        process = self.run("/usr/sbin/postfix", "-c", directory / "etc", "start-fg")
        until(lambda: answers(self.port) or process.poll() is not None, "Postfix to listen")
        if process.poll() is not None:
            raise Failed((directory / "postfix.log").read_text())

    def make_password_file(self):
        passwords = self.directory / "etc/sasl/sasldb2"
        subprocess.run(["/usr/sbin/saslpasswd2", "-p", "-c", "-f", passwords, "-u", REALM, USER.split("@")[0]],
                       input=PASSWORD, text=True, check=True, capture_output=True)
        shutil.chown(passwords, "postfix")
        (self.directory / "etc/sasl/smtpd.conf").write_text(  # where Debian's Postfix looks
            f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN\nsasldb_path: {passwords}\n")

    def start_opendkim(self):
        key = self.directory / "dkim.pem"
        shutil.copy(self.keys / "dkim.pem", key)
        shutil.chown(key, "opendkim")
        key.chmod(0o600)
        run = self.directory / "milter"
        run.mkdir()
        os.chown(run, pwd.getpwnam("opendkim").pw_uid, pwd.getpwnam("postfix").pw_gid)
        run.chmod(0o750)
        config = self.directory / "opendkim.conf"
        config.write_text(f"""Domain {REALM}
Selector bench
KeyFile {key}
Mode s
Canonicalization relaxed/relaxed
RequireSafeKeys no
OversignHeaders From
Socket local:{run}/socket
UMask 007
UserID opendkim:postfix
Background no
Syslog no
""")
        self.run("/usr/sbin/opendkim", "-f", "-x", config)
        until(lambda: (run / "socket").exists(), "OpenDKIM to listen")

    def main_cf(self):
        base = self.directory
        milter = f"smtpd_milters = unix:{base}/milter/socket\nmilter_default_action = tempfail\n" if self.dkim else ""
        return f"""compatibility_level = 3.6
queue_directory = {base}/queue
data_directory = {base}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {base}/postfix.log
maillog_file_prefixes = {base}
myhostname = mail.example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = all
inet_protocols = ipv4
alias_maps =
alias_database =
relayhost = [127.0.0.1]:{self.sink.port}
smtp_dns_support_level = disabled
smtpd_peername_lookup = no
smtpd_tls_chain_files = {self.keys}/key.pem, {self.keys}/certificate.pem
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_local_domain = {REALM}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
{milter}"""

    def master_cf(self):
        lines = [f"127.0.0.1:{self.port} inet n - n - 1000 smtpd"]
        for name, wakeup, most, command in (
                ("pickup", "60", "1", "pickup"), ("cleanup", "-", "0", "cleanup"), ("qmgr", "300", "1", "qmgr"),
                ("tlsmgr", "1000?", "1", "tlsmgr"), ("rewrite", "-", "-", "trivial-rewrite"),
                ("bounce", "-", "0", "bounce"), ("defer", "-", "0", "bounce"), ("trace", "-", "0", "bounce"),
                ("verify", "-", "1", "verify"), ("proxymap", "-", "-", "proxymap"), ("error", "-", "-", "error"),
                ("retry", "-", "-", "error"), ("anvil", "-", "1", "anvil"), ("scache", "-", "1", "scache"),
                ("showq", "-", "-", "showq"), ("flush", "1000?", "0", "flush"), ("smtp", "-", "-", "smtp"),
                ("relay", "-", "-", "smtp")):
            private = "n" if name in ("pickup", "cleanup", "qmgr", "flush", "showq") else "-"
            lines.append(f"{name} unix {private} - n {wakeup} {most} {command}")
        lines.append("postlog unix-dgram n - n - 1 postlogd")
        return "\n".join(lines) + "\n"

    def stop(self):
        subprocess.run(["/usr/sbin/postfix", "-c", self.directory / "etc", "stop"], capture_output=True, timeout=PATIENCE)
        super().stop()
