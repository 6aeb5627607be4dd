"""Content scanners at the end of a message: a real rspamd, a real filter made with libmilter, and filters that misbehave."""

import os
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import time
import urllib.request

import pytest
from conftest import ADDRESS, BINARY, PASSWORD, PATIENCE, ROOT, eventually, start_postern
from scripted_milter import ScriptedMilter, packet
from signed_zone import free_port

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
SANDBOX = '[delivery]\nmode = "sandbox"\n'
RSPAMD = ROOT / "build/peers/rspamd/usr"  # unpacked, not installed: see tools/packages.txt


def send(server, body="Hello.", header=""):
    """The reply to the message: (code, text)."""
    with smtplib.SMTP("127.0.0.1", server.submission, timeout=PATIENCE) as client:
        client.starttls(context=ssl.create_default_context(cafile=server.ca))
        client.login(ADDRESS, PASSWORD)
        client.mail(ADDRESS)
        client.rcpt("friend@example.net")
        code, text = client.data(f"From: {ADDRESS}\r\nSubject: scan\r\n{header}\r\n{body}\r\n")
        return code, text.decode()


def with_scan(directory, settings):
    return start_postern(directory, SANDBOX + "[scan]\n" + settings)


@pytest.fixture
def scanned(tmp_path):
    """make(settings): a server that asks scanners."""
    servers = []

    def make(settings):
        servers.append(with_scan(tmp_path, settings))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


def metrics(server):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.admin}/metrics", timeout=PATIENCE) as answer:
        return answer.read().decode()


def test_filter_sees_the_whole_message_and_changes_its_header(scanned):
    added = packet(b"h", b"X-Scanned\0yes\r\nBcc: thief@example.net\0") + packet(b"m", b"\0\0\0\1Subject\0changed\0")
    stolen = packet(b"m", b"\0\0\0\1From\0boss@example.org\0")
    milter = ScriptedMilter({b"E": packet(b"p") + added + stolen + packet(b"a")})
    server = scanned(f'milters = ["{milter.address}"]\nmemory_per_message = "16KiB"\n')
    body = "\r\n".join(f"line {n} " + "x" * 60 for n in range(5000))
    assert send(server, body)[0] == 250
    assert milter.body() == (body + "\r\n").encode()
    commands = b"".join(command for command, _ in milter.seen[-1] if command not in b"DLB")
    assert commands == b"OCHMRTNE"
    fields = [data for command, data in milter.seen[-1] if command == b"L"]
    assert any(data.startswith(b"Received\0") for data in fields) and any(data.startswith(b"Date\0") for data in fields)
    assert (b"M", f"<{ADDRESS}>\0".encode()) in milter.seen[-1]
    entry, message = server.sandbox_message()
    content = str(message)
    assert "X-Scanned: yes" in content and "Subject: changed" in content and "Subject: scan" not in content
    assert "boss@example.org" not in content and "\\r\\nBcc:" not in content
    assert "DKIM-Signature" in content and "line 4999" in content
    assert "scanned" in server.cli("trace", entry["id"]).stdout
    assert not list(server.data.glob("scan-*"))
    milter.close()


@pytest.mark.parametrize("at", [b"C", b"H", b"M", b"R", b"L", b"N", b"B", b"E"])
def test_filter_may_refuse_at_every_step(scanned, at):
    milter = ScriptedMilter({at: packet(b"y", b"550 5.7.1 No \x1b[31mway\r\nhere\0")})
    server = scanned(f'milters = ["{milter.address}"]\n')
    code, text = send(server)
    assert code == 550 and text.startswith("5.7.1 Message refused by the content scanner: ") and "way" in text and "\x1b" not in text
    assert server.cli_json("sandbox", "ls") == []
    milter.close()


def test_each_verdict_has_its_reply(scanned):
    milter = ScriptedMilter()
    server = scanned(f'milters = ["{milter.address}"]\n')
    for answer, code in [(packet(b"a"), 250), (packet(b"c"), 250), (packet(b"r"), 550), (packet(b"d"), 550),
                         (packet(b"q", b"a virus\0"), 550), (packet(b"t"), 451), (packet(b"y", b"451 4.7.1 later\0"), 451)]:
        milter.answers = {b"E": answer}
        assert send(server)[0] == code, answer
    milter.answers = {b"B": packet(b"s")}
    assert send(server)[0] == 250
    milter.close()


@pytest.mark.parametrize("failure, code", [("defer", 451), ("accept", 250)])
def test_filter_that_misbehaves_defers_or_is_left_out(scanned, failure, code):
    milter = ScriptedMilter()
    server = scanned(f'milters = ["{milter.address}"]\nmilter_timeout = "1s"\nmilter_failure = "{failure}"\n')
    good = milter.negotiation
    for answers, negotiation in [({b"B": "stall"}, good), ({b"E": "stall"}, good), ({b"C": "close"}, good),
                                 ({b"E": "close"}, good), ({b"M": b"HTTP/1.1 400 Bad Request\r\n\r\n"}, good),
                                 ({b"E": packet(b"h", b"no end")}, good), ({b"E": packet(b"y", b"200 ok\0")}, good),
                                 ({b"H": packet(b"Z")}, good), ({b"E": packet(b"h", b"X\0y\0") * 300}, good),
                                 ({}, packet(b"O", b"short")), ({b"E": packet(b"b", b"another body") + packet(b"a")}, good), ({}, packet(b"O", b"\0\0\0\6\0\0\1\0\0\0\0\0")), ({}, b"\0\0\0\0")]:
        milter.answers, milter.negotiation = answers, negotiation
        begun = time.monotonic()
        assert send(server)[0] == code, (answers, negotiation)
        assert time.monotonic() - begun < PATIENCE / 2
    milter.close()  # nobody listens any more
    assert send(server)[0] == code
    word = "failed_closed" if failure == "defer" else "failed_open"
    assert f'postern_scan_asked_total{{verdict="{word}"}} 14' in metrics(server)


def test_scanners_change_at_sighup_and_their_marks_reach_the_watch(scanned):
    marks = packet(b"h", b"X-Spam-Flag\0YES\0") + packet(b"a")
    milter = ScriptedMilter({b"E": marks})
    server = scanned("")
    assert send(server)[0] == 250 and milter.seen == []
    config = server.config
    config.write_text(config.read_text().replace("[scan]\n", f'[scan]\nmilters = ["{milter.address}"]\n'))
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: "scan.milters" in (server.directory / "server.log").read_text(), "the reload")
    for _ in range(4):
        assert send(server)[0] == 250
    reasons = server.cli_json("watch", "show", ADDRESS)["reasons"]
    assert any(r.startswith("reports: content scanner") for r in reasons), reasons
    milter.close()


MILTER = """
import sys, Milter
class Filter(Milter.Base):
    def header(self, name, value):
        if value == "refuse": self.refuse = True
        return Milter.CONTINUE
    def envfrom(self, sender, *more):
        self.refuse = False
        self.login = self.getsymval("{auth_authen}")
        return Milter.CONTINUE
    def eom(self):
        if self.refuse:
            self.setreply("554", "5.7.1", "Refused on request")
            return Milter.REJECT
        self.addheader("X-Login", self.login)
        return Milter.ACCEPT
Milter.factory = Filter
Milter.set_flags(Milter.ADDHDRS)
Milter.runmilter("test", "unix:" + sys.argv[1], 30)
"""


def test_filter_of_libmilter(tmp_path, scanned):
    pytest.importorskip("Milter")
    path = tmp_path / "milter.sock"
    process = subprocess.Popen([sys.executable, "-c", MILTER, str(path)])
    try:
        eventually(path.exists, "the filter to listen")
        server = scanned(f'milters = ["unix:{path}"]\n')
        code, text = send(server, header="X-Wish: refuse\r\n")
        assert (code, text) == (550, "5.7.1 Message refused by the content scanner: Refused on request")
        assert send(server)[0] == 250
        assert f"X-Login: {ADDRESS}" in str(server.sandbox_message()[1])
    finally:
        process.terminate()
        process.wait(PATIENCE)


def test_opendkim_as_a_verifier(tmp_path, scanned):
    opendkim = shutil.which("opendkim", path=f"{ROOT}/build/peers/opendkim/usr/sbin:/usr/sbin")
    if opendkim is None:
        pytest.skip("opendkim is not unpacked: ./dev deps")
    port = free_port()
    (tmp_path / "opendkim.conf").write_text("InternalHosts 192.0.2.1\nAlwaysAddARHeader yes\n")  # or we would be its own client, to sign for
    process = subprocess.Popen([opendkim, "-f", "-b", "v", "-p", f"inet:{port}@127.0.0.1", "-u", "root" if os.getuid() == 0 else str(os.getuid()),
                                "-x", str(tmp_path / "opendkim.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        def ready():
            assert process.poll() is None, process.stderr.read()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        eventually(ready, "opendkim to listen")
        server = scanned(f'milters = ["127.0.0.1:{port}"]\n')
        assert send(server)[0] == 250
        entry, content = server.sandbox_message()
        assert "accept" in server.cli("trace", entry["id"]).stdout
        assert "Authentication-Results:" in str(content) and "dkim=none" in str(content), content
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.mark.skipif(not RSPAMD.exists(), reason="rspamd is not unpacked: ./dev deps")
def test_rspamd(tmp_path, scanned):
    port = free_port()
    place = tmp_path / "rspamd"
    place.mkdir()
    (place / "tld").write_text("com\n")
    place.chmod(0o777)  # started by root, it goes on as another user
    (place / "rspamd.conf").write_text(
        f'options {{ pidfile = "{place}/pid"; tempdir = "{place}"; hs_cache_dir = "{place}"; disable_hyperscan = true;\n'
        f'  url_tld = "{place}/tld"; filters = ""; dns {{ nameserver = ["127.0.0.1:9"]; timeout = 100ms; retransmits = 1; }} }}\n'
        'logging { type = "console"; level = "warning"; }\n'
        f'worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}\n'
        'actions { reject = 15; "add header" = 6; greylist = 4; }\n')
    with open(place / "log", "wb") as log:
        lua = RSPAMD / "share/rspamd"
        process = subprocess.Popen(
            [RSPAMD / "bin/rspamd", "-f", "-i", "-c", str(place / "rspamd.conf")], stdout=log, stderr=log,
            env={**os.environ, "LD_LIBRARY_PATH": str(RSPAMD / "lib/rspamd"), "SHAREDIR": str(lua),
                 "LUALIBDIR": str(lua / "lualib"), "RULESDIR": str(lua / "rules"), "PLUGINSDIR": str(lua / "plugins")})
    try:
        def ready():
            assert process.poll() is None, (place / "log").read_text()
            try:
                return urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1).status == 200
            except OSError:
                return False
        eventually(ready, "rspamd to listen", 60)
        server = scanned(f'rspamd = "http://127.0.0.1:{port}"\n')
        code, text = send(server, GTUBE)
        assert code == 550 and text == "5.7.1 Message refused by the content scanner: Gtube pattern"
        assert send(server, "x" * 70 + "\r\n" * 200_000)[0] == 250
        entry, _ = server.sandbox_message()
        assert "rspamd: no action, score" in server.cli("trace", entry["id"]).stdout
    finally:
        process.terminate()
        process.wait(PATIENCE)
    assert send(server)[0] == 451  # rspamd is gone


def test_bad_configuration_is_named(tmp_path):
    (tmp_path / "postern.toml").write_text(f'hostname = "mail.example.org"\ndata_dir = "{tmp_path}/data"\n[scan]\nmilter = []\n')
    done = subprocess.run([BINARY, "--config", tmp_path / "postern.toml", "config", "check"], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode != 0 and "postern.toml:4" in done.stderr and "milters" in done.stderr
