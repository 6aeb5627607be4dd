"""DNS zones signed by ldns and served by NSD on loopback, with everything that can be wrong about signatures."""

import shutil
import signal
import socket
import subprocess
import time

from conftest import ROOT, eventually

UNPACKED = ROOT / "build/peers/nsd/usr/sbin/nsd"
NSD = str(UNPACKED) if UNPACKED.exists() else shutil.which("nsd") or shutil.which("nsd", path="/usr/sbin")
MISSING = None if NSD and shutil.which("ldns-signzone") else "./dev test unpacks nsd and installs ldnsutils"
DAY = 86400


def free_port():
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        return tcp.getsockname()[1]


class Zone:
    """One zone: `records` are lines of a zone file below `name`. `state` is good, expired or unsigned; the lines of
    `forged` replace (before, after) in the signed file, which breaks the signatures over them."""

    def __init__(self, name, records, state="good", forged=()):
        self.name, self.records, self.state, self.forged = name, records, state, forged

    def write(self, directory):
        """The zone file to serve, and the trust anchor of the zone or ""."""
        plain = directory / f"{self.name}.zone"
        plain.write_text(f"$ORIGIN {self.name}.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"
                         + "\n".join(self.records) + "\n")
        if self.state == "unsigned":
            return plain, ""
        key = subprocess.run(["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "-r", "/dev/urandom", self.name],
                             cwd=directory, check=True, capture_output=True, text=True).stdout.strip()
        shift = -10 * DAY if self.state == "expired" else 0
        when = [time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + shift + days * DAY)) for days in (-1, 5)]
        signed = directory / f"{self.name}.signed"
        subprocess.run(["ldns-signzone", "-n", "-i", when[0], "-e", when[1], "-f", signed, plain, key],
                       cwd=directory, check=True, capture_output=True)
        text = signed.read_text()
        for before, after in self.forged:
            assert before in text, f"{before} is not in the signed zone"
            text = text.replace(before, after)
        signed.write_text(text)
        return signed, (directory / f"{key}.key").read_text()


class SignedDns:
    """NSD with `zones`; `port` to ask, `anchor` the file with their trust anchors."""

    def __init__(self, directory, zones):
        directory.mkdir()
        self.directory = directory
        self.anchor = directory / "anchors.key"
        self.port = free_port()
        anchors, parts = "", []
        for zone in zones:
            path, key = zone.write(directory)
            anchors += key
            parts.append(f"zone:\n  name: {zone.name}\n  zonefile: {path}\n")
        self.anchor.write_text(anchors)
        config = directory / "nsd.conf"
        config.write_text(
            f"server:\n  ip-address: 127.0.0.1@{self.port}\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"\"\n"
            f"  database: \"\"\n  pidfile: {directory}/nsd.pid\n  zonelistfile: {directory}/zone.list\n  xfrdfile: {directory}/xfrd.state\n"
            f"  xfrdir: {directory}\n  logfile: {directory}/nsd.log\n  server-count: 1\n  round-robin: no\n"
            f"remote-control:\n  control-enable: no\n" + "".join(parts))
        self.process = subprocess.Popen([NSD, "-d", "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        eventually(self.answers, "NSD to answer")

    def answers(self):
        assert self.process.poll() is None, (self.directory / "nsd.log").read_text()
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            udp.settimeout(0.2)
            try:
                udp.sendto(b"\x12\x34\0\0\0\1\0\0\0\0\0\0\0\0\6\0\1", ("127.0.0.1", self.port))
                return udp.recv(512)
            except OSError:
                return None

    def change(self, zone, before, after):
        """Another line in an unsigned zone, with a serial that NSD takes for newer."""
        path = self.directory / f"{zone}.zone"
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after).replace("hostmaster 1 ", "hostmaster 2 "))
        self.process.send_signal(signal.SIGHUP)
        eventually(lambda: " 2 3600 " in subprocess.run(["drill", "-p", str(self.port), "@127.0.0.1", "SOA", zone],
                                                        capture_output=True, text=True).stdout, "NSD to serve the change")

    @property
    def settings(self):
        return f'[dns]\nservers = ["127.0.0.1:{self.port}"]\ntrust_anchor = "{self.anchor}"\n'

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
