"""Debian's Postfix as the next hop: a private instance with its own configuration, queue and ports on loopback.

Needs root (Postfix changes to its own user). Nothing of the system's own Postfix is read or changed."""

import base64
import os
import pathlib
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading

from conftest import eventually, openssl

MAIN, PLAIN, SMALL, AUTH_PLAIN, AUTH_LOGIN = (f"127.0.0.{n}" for n in (11, 12, 13, 14, 15))
USER, PASSWORD = "relay-user", "relay password"
MAIL_UID = 65534  # nobody: owns the maildir


class DovecotAuth(socketserver.ThreadingUnixStreamServer):
    """Enough of Dovecot's authentication protocol 1.1 for Postfix's smtpd to check one user."""

    daemon_threads = True

    def __init__(self, path, mechanism):
        self.mechanism = mechanism
        super().__init__(path, self.Session)
        os.chmod(path, 0o777)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Session(socketserver.StreamRequestHandler):
        def say(self, *words):
            self.wfile.write("\t".join(map(str, words)).encode() + b"\n")

        def handle(self):
            self.say("VERSION", 1, 1)
            self.say("MECH", self.server.mechanism, "plaintext")
            for word in (("SPID", 1), ("CUID", 1), ("COOKIE", "0" * 32), ("DONE",)):
                self.say(*word)
            names = {}
            for line in self.rfile:
                words = line.decode().rstrip("\n").split("\t")
                if words[0] == "AUTH":
                    given = [word[5:] for word in words if word.startswith("resp=")]
                    if words[2] == "PLAIN":
                        self.decide(words[1], *base64.b64decode(given[0]).decode().split("\0")[1:])
                    elif given:
                        self.ask_password(names, words[1], given[0])
                    else:
                        self.say("CONT", words[1], base64.b64encode(b"Username:").decode())
                elif words[0] == "CONT" and words[1] in names:
                    self.decide(words[1], names[words[1]], base64.b64decode(words[2]).decode())
                elif words[0] == "CONT":
                    self.ask_password(names, words[1], words[2])

        def ask_password(self, names, number, name):
            names[number] = base64.b64decode(name).decode()
            self.say("CONT", number, base64.b64encode(b"Password:").decode())

        def decide(self, number, name, password):
            if (name, password) == (USER, PASSWORD):
                self.say("OK", number, f"user={name}")
            else:
                self.say("FAIL", number, f"user={name}")


def free_port():
    with socket.socket() as probe:
        probe.bind((MAIN, 0))
        return probe.getsockname()[1]


class PostfixHop:
    """Takes mail for example.net, example.org and plain., small.example.net into one maildir."""

    def __init__(self):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="postfix-hop-"))
        self.base.chmod(0o755)  # Postfix's own user must get through
        self.port = free_port()
        self.ca = self.base / "ca.pem"
        self.make_certificate()
        self.sasl = [DovecotAuth(str(self.base / f"auth-{name}"), name) for name in ("PLAIN", "LOGIN")]
        for folder in ("etc", "queue", "data", "mail"):
            (self.base / folder).mkdir()
        shutil.chown(self.base / "data", "postfix")
        os.chown(self.base / "mail", MAIL_UID, MAIL_UID)
        (self.base / "etc/main.cf").write_text(self.main_cf())
        (self.base / "etc/master.cf").write_text(self.master_cf())
        self.log = open(self.base / "log", "ab")
        self.process = subprocess.Popen(["postfix", "-c", self.base / "etc", "start-fg"], stdout=self.log,
                                        stderr=self.log, start_new_session=True)
        eventually(self.listening, "Postfix to listen")

    def make_certificate(self):
        ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        openssl("req", "-x509", *ec, "-days", "2", "-subj", "/CN=Test CA", "-keyout", self.base / "ca.key", "-out", self.ca)
        openssl("req", *ec, "-subj", "/CN=relay", "-keyout", self.base / "key.pem", "-out", self.base / "request.pem")
        extensions = self.base / "extensions"
        extensions.write_text("subjectAltName=DNS:relay.example.net,DNS:mx.example.net")
        openssl("x509", "-req", "-in", self.base / "request.pem", "-CA", self.ca, "-CAkey", self.base / "ca.key",
                "-days", "2", "-extfile", extensions, "-out", self.base / "certificate.pem")

    def main_cf(self):
        base = self.base
        return f"""compatibility_level = 3.6
queue_directory = {base}/queue
data_directory = {base}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = /dev/stdout
myhostname = relay.example.net
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = all
inet_protocols = ipv4
alias_maps =
alias_database =
virtual_mailbox_domains = example.net, example.org, plain.example.net, small.example.net
virtual_mailbox_base = {base}/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:{MAIL_UID}
virtual_gid_maps = static:{MAIL_UID}
virtual_minimum_uid = 1
smtpd_tls_chain_files = {base}/key.pem, {base}/certificate.pem
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access inline:{{
  {{later@example.net = 450 4.2.1 mailbox is busy}}, {{nobody@example.net = 550 5.1.1 no such user here}} }}
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
"""

    def master_cf(self):
        sasl = (" -o smtpd_sasl_auth_enable=yes -o smtpd_sasl_type=dovecot -o smtpd_tls_security_level=encrypt"
                " -o smtpd_relay_restrictions=permit_sasl_authenticated,reject -o smtpd_sasl_authenticated_header=yes"
                f" -o smtpd_sasl_path={self.base}/auth-")
        listeners = {MAIN: "", PLAIN: " -o smtpd_tls_security_level=none -o smtputf8_enable=no",
                     SMALL: " -o message_size_limit=3000", AUTH_PLAIN: sasl + "PLAIN", AUTH_LOGIN: sasl + "LOGIN"}
        lines = [f"{ip}:{self.port} inet n - n - - smtpd{options}" for ip, options in listeners.items()]
        for name, wakeup, most, command in (
                ("pickup", "60", "1", "pickup"), ("cleanup", "-", "0", "cleanup"), ("qmgr", "300", "1", "qmgr"),
                ("tlsmgr", "1000?", "1", "tlsmgr"), ("rewrite", "-", "-", "trivial-rewrite"),
                ("bounce", "-", "0", "bounce"), ("defer", "-", "0", "bounce"), ("trace", "-", "0", "bounce"),
                ("verify", "-", "1", "verify"), ("proxymap", "-", "-", "proxymap"), ("error", "-", "-", "error"),
                ("retry", "-", "-", "error"), ("virtual", "-", "-", "virtual"), ("anvil", "-", "1", "anvil"),
                ("scache", "-", "1", "scache"), ("showq", "-", "-", "showq"), ("flush", "1000?", "0", "flush"),
                ("smtp", "-", "-", "smtp"), ("relay", "-", "-", "smtp")):
            private = "n" if name in ("pickup", "cleanup", "qmgr", "flush", "showq") else "-"
            unprivileged = "n" if name == "virtual" else "-"
            lines.append(f"{name} unix {private} {unprivileged} n {wakeup} {most} {command}")
        lines.append("postlog unix-dgram n - n - 1 postlogd")
        return "\n".join(lines) + "\n"

    def listening(self):
        assert self.process.poll() is None, (self.base / "log").read_text()
        for ip in (MAIN, AUTH_LOGIN):
            try:
                socket.create_connection((ip, self.port), 1).close()
            except OSError:
                return False
        return True

    def mails(self, marker):
        """The messages that contain `marker`."""
        found = (path.read_bytes() for path in sorted((self.base / "mail/box/new").glob("*")))
        return [mail for mail in found if marker in mail]

    def arrived(self, marker):
        return eventually(lambda: self.mails(marker), f"a mail with {marker}")[0]

    def log_text(self):
        return (self.base / "log").read_text()

    def stop(self):
        subprocess.run(["postfix", "-c", self.base / "etc", "stop"], check=True, capture_output=True, timeout=20)
        self.process.wait(20)
        self.log.close()
        print(self.log_text())  # pytest shows it beside a failure
        for server in self.sasl:
            server.shutdown()
            server.server_close()
        shutil.rmtree(self.base)
