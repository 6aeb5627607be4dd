"""`postern check` against real servers: Postern, Debian's Postfix, Exim and Dovecot's submission service, and Postern behind a
middlebox that removes STARTTLS."""

import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading

import pytest

import postfix_hop
from conftest import ADDRESS, PASSWORD, eventually
from probe_tools import Faulty, Namespace, check, endpoints, make_certificates

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXIM = ROOT / "build/peers/exim4-daemon-light/usr/sbin/exim4"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces")
ON_HOST = ("--address", "127.0.0.1", "--timeout", "15")
SERVER = "10.90.0.1"
RELAY = 2500


@pytest.fixture
def site():
    """A namespace for one server, certificates for mail.test, a directory that other users may enter."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="check-"))
    directory.chmod(0o755)
    space = Namespace("m")
    space.client = Namespace("k")
    space.connect(space.client, f"{SERVER}/24", "10.90.0.2/24")
    space.directory = make_certificates(directory)
    (directory / "good.key").chmod(0o644)
    space.processes = []
    yield space
    for process in reversed(space.processes):
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for each in (space, space.client):
        each.close()
    shutil.rmtree(directory)


def start(site, *command, **options):
    log = open(site.directory / "server.log", "ab")
    site.processes.append(subprocess.Popen([*site.prefix, *map(str, command)], stdout=log, stderr=log, **options))
    eventually(lambda: all(site.client.run("nc", "-zw", "1", SERVER, port, ok=False).returncode == 0 for port in site.ports), "the server to listen")


def check_site(site, *arguments, **options):
    return check("mail.test", "--address", SERVER, "--timeout", "15", "--ca-file", site.directory / "ca.pem", *arguments,
                 prefix=site.client.prefix, **options)


def good_everywhere(site, user, password):
    """All ports good, logins work and wrong ones do not, no relaying."""
    seen = check_site(site, "--port", ",".join(map(str, site.ports)), "--user", user, stdin=password + "\n", code=0)
    for (_, port), endpoint in endpoints(seen).items():
        assert endpoint["tls"]["verified"] and not endpoint["relay"]["open"], endpoint
        assert endpoint["login"]["reply"]["code"] == 235, endpoint
    wrong = check_site(site, "--port", str(site.ports[0]), "--user", user, stdin="wrong\n", code=52)
    assert "login" in wrong["summary"]
    return seen


@needs_root
@pytest.mark.skipif(not shutil.which("postfix"), reason="needs Debian's postfix")
def test_postfix(site):
    site.ports = [587, 465]
    base = site.directory
    for name in ("queue", "config", "data"):
        (base / name).mkdir()
    shutil.chown(base / "data", "postfix")
    auth = postfix_hop.DovecotAuth(str(base / "auth"), "PLAIN")
    (base / "config/main.cf").write_text(
        f"compatibility_level = 3.6\nmyhostname = mail.test\nqueue_directory = {base}/queue\ndata_directory = {base}/data\n"
        f"maillog_file = /dev/stdout\nsmtpd_tls_cert_file = {base}/good.crt\n"
        f"smtpd_tls_key_file = {base}/good.key\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = {base}/auth\nmydestination =\n"
        "inet_protocols = ipv4\nmynetworks =\nalias_maps =\nalias_database =\nsmtpd_peername_lookup = no\n")
    submission = "-o smtpd_sasl_auth_enable=yes -o smtpd_tls_auth_only=yes -o smtpd_relay_restrictions=permit_sasl_authenticated,reject"
    (base / "config/master.cf").write_text(
        f"587 inet n - n - - smtpd -o smtpd_tls_security_level=encrypt {submission}\n"
        f"465 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes {submission}\n"
        # Two mistakes that people make: implicit TLS on 2525, STARTTLS on an address of its own port.
        f"2525 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes {submission}\n"
        "cleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\nrewrite unix - - n - - trivial-rewrite\ntlsmgr unix - - n 1000? 1 tlsmgr\n"
        "bounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\nanvil unix - - n - 1 anvil\nproxymap unix - - n - - proxymap\npostlog unix-dgram n - n - 1 postlogd\n")
    # start-fg keeps the master as our child.
    start(site, "postfix", "-c", base / "config", "start-fg", env={**os.environ, "MAIL_CONFIG": str(base / "config")})
    seen = good_everywhere(site, postfix_hop.USER, postfix_hop.PASSWORD)
    assert "ESMTP Postfix" in seen["hosts"][0]["endpoints"][0]["banner"]["text"]
    assert check_site(site, "--port", "2525", code=32)["failure"] == "wrong-tls-mode"
    auth.shutdown()
    auth.server_close()
    # The master is a child of start-fg's shell and outlives it.
    subprocess.run(["postfix", "-c", base / "config", "stop"], capture_output=True, timeout=30)


@needs_root
@pytest.mark.skipif(not EXIM.exists(), reason="./dev test unpacks exim4-daemon-light")
def test_exim(site):
    site.ports = [587, 465]
    base = site.directory
    (base / "passwd").write_text(pathlib.Path("/etc/passwd").read_text() + f"Debian-exim:x:{pwd.getpwnam('nobody').pw_uid}:65534::/:/bin/false\n")
    (base / "group").write_text(pathlib.Path("/etc/group").read_text() + "Debian-exim:x:65534:\n")
    (base / "spool").mkdir()
    shutil.chown(base / "spool", "nobody")
    (base / "exim.conf").write_text(
        f"primary_hostname = mail.test\ndaemon_smtp_ports = 587 : 465 : 2525\ntls_on_connect_ports = 465\nspool_directory = {base}/spool\n"
        f"log_file_path = {base}/spool/%slog\npid_file_path = {base}/exim.pid\ntls_certificate = {base}/good.crt\ntls_privatekey = {base}/good.key\n"
        "tls_advertise_hosts = *\nauth_advertise_hosts = ${if or{{def:tls_in_cipher}{eq{$received_port}{2525}}} {*}}\nacl_smtp_rcpt = rcpt\nkeep_environment =\n"
        "disable_ipv6\nrfc1413_query_timeout = 0s\nhost_lookup =\n"
        "begin acl\nrcpt:\n  accept authenticated = *\n  deny message = relay not permitted\n"
        "begin authenticators\nplain:\n  driver = plaintext\n  public_name = PLAIN\n  server_prompts = :\n"
        "  server_condition = ${if and{{eq{$auth2}{alice}}{eq{$auth3}{secret}}}}\n  server_set_id = $auth2\n")
    mounts = f"mount --bind {base}/passwd /etc/passwd && mount --bind {base}/group /etc/group && exec \"$@\""
    start(site, "unshare", "-m", "sh", "-c", mounts, "sh", EXIM, "-C", base / "exim.conf", "-bdf")
    seen = good_everywhere(site, "alice", "secret")
    assert "Exim" in seen["hosts"][0]["endpoints"][0]["banner"]["text"]
    # On 2525 it offers AUTH in clear as well.
    assert check_site(site, "--port", "2525", code=51)["failure"] == "clear-text-auth"


@needs_root
@pytest.mark.skipif(not pathlib.Path("/usr/lib/dovecot/submission").exists(), reason="needs dovecot-submissiond")
def test_dovecot_submission(site):
    site.ports = [587, 465]
    base = site.directory
    (base / "dovecot.conf").write_text(
        f"base_dir = {base}/run\nstate_dir = {base}/state\nlog_path = {base}/dovecot.log\nprotocols = submission\nlisten = 10.90.0.1\nssl = required\n"
        f"ssl_cert = <{base}/good.crt\nssl_key = <{base}/good.key\nhostname = mail.test\nmail_location = maildir:~/mail\n"
        f"submission_relay_host = 127.0.0.1\nsubmission_relay_port = {RELAY}\nauth_mechanisms = plain login scram-sha-256\n"
        "passdb {\n driver = static\n args = password=secret\n}\nuserdb {\n driver = static\n"
        f" args = uid=nobody gid=nogroup home={base}/home\n}}\n"
        "service submission-login {\n inet_listener submission {\n port = 587\n }\n inet_listener submissions {\n port = 465\n ssl = yes\n }\n}\n")
    relay = Faulty(site.directory, "127.0.0.1", [f"{RELAY}=relay"], prefix=site.prefix)  # Dovecot hands the mail on to it
    try:
        start(site, "dovecot", "-F", "-c", base / "dovecot.conf")
        seen = good_everywhere(site, "alice", "secret")
    finally:
        relay.stop()
    for endpoint in endpoints(seen).values():
        assert "PLAIN" in endpoint["ehlo_tls"]["auth"] and endpoint["login"]["mechanism"] == "SCRAM-SHA-256", endpoint


def test_postern_itself(make_postern):
    server = make_postern()
    ports = f"{server.submission},{server.submissions}"
    seen = check("localhost", *ON_HOST, "--ca-file", server.ca, "--port", ports, "--user", ADDRESS, "--send-to", "bob@example.net",
                 stdin=PASSWORD + "\n", code=0)
    plain, implicit = (endpoints(seen)["127.0.0.1", port] for port in (server.submission, server.submissions))
    assert implicit["mode"] == "implicit-tls" and plain["mode"] == "starttls"
    for endpoint in (plain, implicit):
        assert endpoint["tls"]["version"] == "TLSv1.3" and not endpoint["relay"]["open"]
        assert endpoint["login"]["reply"]["code"] == 235 and endpoint["message"]["reply"]["code"] == 250
        # The password itself does not leave, and Postern has to prove that it knows it.
        assert endpoint["login"]["mechanism"] == "SCRAM-SHA-256" and endpoint["tls"]["old_versions"] == []
    assert plain["ehlo"]["auth"] == [] and plain["auth_in_clear"]["code"] // 100 == 5
    entry = server.cli_json("sandbox", "ls")
    assert len(eventually(lambda: len(server.cli_json("sandbox", "ls")) == 2 and server.cli_json("sandbox", "ls"), "both messages")) == 2, entry
    # Without its authority the certificate is self-signed, and no password leaves.
    kept = check("localhost", *ON_HOST, "--port", ports, "--user", ADDRESS, stdin=PASSWORD + "\n", code=46)
    assert all(e["login"]["not_tried_because"] for e in endpoints(kept).values())


class StrippingProxy:
    """Forwards to a server and takes STARTTLS out of what it says; `mask` overwrites it, in the command too."""

    def __init__(self, port, mask):
        self.mask, self.port = mask, port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.own_port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            threading.Thread(target=self.pump, args=(client, server, self.command), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, self.reply), daemon=True).start()

    def command(self, data):
        return data.replace(b"STARTTLS", b"XXXXXXXX") if self.mask else data

    def reply(self, data):
        if self.mask:
            return data.replace(b"STARTTLS", b"XXXXXXXA")
        lines = data.split(b"\r\n")
        if not any(line[4:] == b"STARTTLS" for line in lines):
            return data
        kept = [line for line in lines[:-1] if line[4:] != b"STARTTLS"]
        return b"\r\n".join([*kept[:-1], b"250 " + kept[-1][4:], b""])

    @staticmethod
    def pump(source, sink, change):
        try:
            while data := source.recv(65536):
                sink.sendall(change(data))
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.mark.parametrize("mask", [False, True], ids=["removed", "overwritten"])
def test_a_middlebox_that_strips_starttls_from_postern(make_postern, mask):
    server = make_postern()
    proxy = StrippingProxy(server.submission, mask)
    seen = check(f"localhost:{proxy.own_port}", *ON_HOST, "--ca-file", server.ca, "--user", ADDRESS, stdin=PASSWORD + "\n", code=41)
    proxy.listener.close()
    assert "middlebox" in seen["cause"] and "465" in seen["next"]
    endpoint = endpoints(seen)["127.0.0.1", proxy.own_port]
    assert endpoint["starttls"]["offered"] is False
    if mask:
        assert endpoint["login"]["not_tried_because"] == "there is no TLS"
