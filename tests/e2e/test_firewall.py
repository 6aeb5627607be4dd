"""`postern firewall` with real nftables, iptables (both kinds), ufw and firewalld, each in a network namespace of its own with its
own /etc, checked by connecting."""

import json
import os
import pathlib
import subprocess

import pytest

from conftest import BINARY, eventually
from probe_tools import Namespace, run

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for network namespaces")

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVER, SERVER6 = "10.88.0.1", "fd88::1"
NFT_RULES = """flush ruleset
table inet filter {
  set bad { type ipv4_addr; elements = { 198.51.100.7 } }
  chain input {
    type filter hook input priority 0; policy drop;
    ct state vmap { established : accept, related : accept, invalid : drop }
    iifname "lo" accept
    meta l4proto { icmp, ipv6-icmp } accept
    ip saddr @bad drop
    tcp dport 22 accept
    %s
  }
}
"""


class Host:
    """A namespace with a peer to connect from, and with private copies of the directories that firewalls write to."""

    def __init__(self, directory):
        self.directory = directory
        self.space, self.peer = Namespace("h"), Namespace("p")
        self.space.connect(self.peer, f"{SERVER}/24", "10.88.0.2/24", f"{SERVER6}/64", "fd88::2/64")
        for part in ("etc", "work", "run"):
            (directory / part).mkdir()
        # Everything that run() starts sees an /etc that begins as this machine's and whose changes are ours.
        self.mounts = (f"mount -t overlay overlay -o lowerdir=/etc,upperdir={directory}/etc,workdir={directory}/work /etc && "
                       f"mount --bind {directory}/run /run && ")
        self.etc = directory / "etc"
        self.state = directory / "state.json"
        self.environment = dict(os.environ)
        self.listener = subprocess.Popen(
            [*self.space.prefix, "/usr/bin/python3", "-c",
             "import socket,threading\n"
             "s=[socket.create_server(('::',p),family=socket.AF_INET6,dualstack_ipv6=True) for p in (22,587,465,2525)]\n"
             "print('ready',flush=True)\nthreading.Event().wait()"], stdout=subprocess.PIPE, text=True)
        assert self.listener.stdout.readline() == "ready\n"

    def run(self, *command, ok=True, **options):
        return run(*self.prefix(), *command, ok=ok, env=self.environment, **options)

    def prefix(self):
        return (*self.space.prefix, "unshare", "-m", "sh", "-c", self.mounts + 'exec "$@"', "sh")

    def write(self, path, text):
        mine = self.etc / path.removeprefix("/etc/")
        mine.parent.mkdir(parents=True, exist_ok=True)
        mine.write_text(text)

    def read(self, path):
        return self.run("cat", path, ok=False).stdout

    def firewall(self, *arguments, ok=True, **options):
        return self.run(BINARY, "firewall", *arguments, "--state", self.state, ok=ok, **options)

    def reachable(self, port, address=SERVER):
        return run(*self.peer.prefix, "nc", "-zw", "1", address, str(port), ok=False).returncode == 0

    def shut(self, port, address=SERVER):
        """Nothing comes back in the time in which an open port answers many times over."""
        return run(*self.peer.prefix, "timeout", "0.4", "nc", "-z", address, str(port), ok=False).returncode != 0

    def status(self, port):
        answer = json.loads(self.firewall("status", "--port", port, "--json").stdout)
        return answer["ports"][0]

    def close(self):
        self.listener.kill()
        self.listener.wait()
        self.listener.stdout.close()
        for space in (self.space, self.peer):
            space.close()


@pytest.fixture
def host(tmp_path):
    made = Host(tmp_path)
    yield made
    made.close()


def opens_and_closes(host, backend, rules):
    """The whole life of two ports; `rules()` is what must be the same before and after."""
    before = rules()
    assert host.shut(587) and host.reachable(22)
    shut = host.status("587")
    assert shut["ipv4"]["access"] == shut["ipv6"]["access"] == "denied" and shut["in_the_way"]
    assert "python3" in shut["listening"][0]["program"]
    dry = host.firewall("open", "--dry-run")
    assert rules() == before and not host.state.exists() and "587" in dry.stdout
    unasked = host.firewall("open", ok=False, input="")
    assert unasked.returncode == 1 and "--yes" in unasked.stderr and rules() == before
    opened = host.firewall("open", "--port", "587,2525", "--yes")
    assert f"with {backend}" in opened.stdout and "postern check" in opened.stdout
    for port in (587, 2525, 22):
        assert host.reachable(port) and host.reachable(port, SERVER6), port
    assert host.shut(465)
    assert host.status("587")["ipv6"]["access"] == "allowed" and not any("drops it" in way for way in host.status("587")["in_the_way"])
    after = rules()
    again = host.firewall("open", "--port", "587,2525", "--yes")
    assert "already open" in again.stdout and rules() == after
    host.firewall("close", "--port", "587", "--yes")
    assert host.shut(587) and host.reachable(2525) and host.reachable(22)
    host.firewall("close", "--port", "2525", "--yes")
    assert host.shut(2525) and host.reachable(22)
    assert rules() == before
    nothing = host.firewall("close", "--yes", "--port", "22")
    assert "not opened by" in nothing.stdout and host.reachable(22)


@pytest.mark.parametrize("last", ["", "counter reject with icmpx admin-prohibited"], ids=["policy", "last-rule"])
def test_nftables(host, last):
    config = "/etc/nftables.conf"
    host.write(config, NFT_RULES % last)
    host.run("nft", "-f", config)
    opens_and_closes(host, "nftables", lambda: host.run("nft", "-s", "list", "ruleset").stdout + host.read(config))
    # Permanent: the file, loaded afresh, lets the port in, from one network only.
    host.firewall("open", "--port", "587", "--from", "10.88.0.0/24", "--yes")
    host.run("nft", "-f", config)
    assert host.reachable(587) and host.shut(587, SERVER6) and host.reachable(22)
    host.firewall("close", "--port", "587", "--from", "10.88.0.0/24", "--yes")
    host.run("nft", "-f", config)
    assert host.shut(587) and host.read("/etc/nftables.d/postern.nft") == ""


@pytest.mark.parametrize("kind, last", [("nft", "rule"), ("legacy", "policy")])
def test_iptables(host, kind, last):
    for program, name in ((f"iptables-{kind}", "rules.v4"), (f"ip6tables-{kind}", "rules.v6")):
        for rule in ("-A INPUT -i lo -j ACCEPT", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                     f"-A INPUT -p {'icmp' if name == 'rules.v4' else 'ipv6-icmp'} -j ACCEPT",
                     "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT", "-P INPUT DROP" if last == "policy" else "-A INPUT -j REJECT"):
            host.run(program, *rule.split())
        host.write(f"/etc/iptables/{name}", host.run(f"{program}-save").stdout)

    def rules():
        return [host.run(f"{p}-{kind}", "-S").stdout for p in ("iptables", "ip6tables")] + [
            "".join(line for line in host.read(f"/etc/iptables/{name}").splitlines(True) if line.startswith("-A")) for name in ("rules.v4", "rules.v6")]

    opens_and_closes(host, "iptables", rules)
    host.firewall("open", "--port", "587", "--yes")
    for program, name in ((f"iptables-{kind}", "rules.v4"), (f"ip6tables-{kind}", "rules.v6")):
        host.run(program, "-F")
        host.run(f"{program}-restore", f"/etc/iptables/{name}")
    assert host.reachable(587) and host.reachable(587, SERVER6)


def test_ufw(host):
    host.run("ufw", "allow", "22/tcp")
    host.run("ufw", "--force", "enable")
    opens_and_closes(host, "ufw", lambda: host.run("ufw", "show", "added").stdout)
    host.run("ufw", "deny", "465/tcp")
    denied = host.firewall("open", "--port", "465", "--yes", ok=False)
    assert denied.returncode == 1 and "rule against it" in denied.stderr
    wrong = host.firewall("open", "--port", "587", "--backend", "nftables", "--yes", ok=False)
    assert wrong.returncode == 1 and "ufw is in charge" in wrong.stderr
    host.firewall("open", "--port", "587", "--from", "10.88.0.0/24", "--yes")
    assert host.reachable(587) and host.shut(587, SERVER6)
    host.run("ufw", "reload")
    assert host.reachable(587)


def test_ufw_profile(host):
    host.write("/etc/ufw/applications.d/postern", (ROOT / "packaging/ufw/postern").read_text())
    assert "587" in host.run("ufw", "app", "info", "Postern").stdout
    assert "465" in host.run("ufw", "app", "info", "Postern").stdout


def test_firewalld(host):
    peer = ROOT / "build/peers/firewalld"
    if peer.exists():
        host.mounts = (host.mounts.replace("lowerdir=/etc", f"lowerdir={peer}/etc:/etc") +
                       f"mount -t overlay overlay -o lowerdir={peer}/usr:/usr /usr && ")
        host.environment["PATH"] += f":{peer}/usr/bin"
    bus = host.directory / "bus"
    config = host.directory / "bus.conf"
    config.write_text('<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" '
                      '"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">\n'
                      f'<busconfig><type>custom</type><listen>unix:path={bus}</listen><policy context="default"><allow user="*"/>'
                      '<allow own="*"/><allow send_type="method_call"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>\n')
    host.environment["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={bus}"
    daemons = [subprocess.Popen(["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"], env=host.environment)]
    try:
        eventually(bus.exists, "the bus")
        log = open(host.directory / "firewalld.log", "wb")
        daemons.append(subprocess.Popen([*host.prefix(), "firewalld", "--nofork", "--nopid"],
                                        env=host.environment, stdout=log, stderr=log))
        host.mounts = ""  # firewalld alone writes there
        eventually(lambda: host.run("firewall-cmd", "--state", ok=False).returncode == 0, "firewalld")
        host.run("firewall-cmd", "--add-port=22/tcp")
        host.run("firewall-cmd", "--permanent", "--add-port=22/tcp")
        opens_and_closes(host, "firewalld", lambda: host.run("firewall-cmd", "--list-all").stdout + host.run("firewall-cmd", "--permanent", "--list-all").stdout)
        host.firewall("open", "--yes")
        assert "smtp-submission smtps" in host.run("firewall-cmd", "--list-services").stdout
        host.firewall("open", "--port", "2525", "--from", "10.88.0.0/24", "--yes")
        host.run("firewall-cmd", "--reload")
        assert host.reachable(587) and host.reachable(2525) and host.shut(2525, SERVER6)
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(20)


def test_no_firewall_and_not_understood(host):
    nothing = host.firewall("open", "--yes")
    assert "already open" in nothing.stdout and "no firewall" in nothing.stdout
    assert json.loads(host.firewall("status", "--json").stdout)["in_charge"] == "none"
    host.run("nft", "-f", "-", input="table inet odd { chain input { type filter hook input priority 0; policy drop;\n"
             "tcp dport 22 accept\n meta cgroup 5 drop\n}\n}\n")
    refused = host.firewall("open", "--yes", "--port", "587", ok=False)
    assert refused.returncode == 1 and "not understood" in refused.stderr and host.shut(587)
    assert not host.state.exists()


def test_bad_command_lines(host):
    for arguments in (["open", "--port", "0"], ["open", "--backend", "pf"], ["open", "--from", "10.88.0.1/24"], ["open", "--from", "x"], []):
        done = host.firewall(*arguments, ok=False) if arguments else run(BINARY, "firewall", ok=False)
        assert done.returncode in (1, 2) and done.stderr, arguments
