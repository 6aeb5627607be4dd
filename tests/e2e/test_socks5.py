"""Mail that leaves through a SOCKS5 proxy (RFC 1928, 1929): a small proxy on loopback that connects where it is told to."""

import ipaddress
import smtplib
import socket
import socketserver
import ssl
import struct
import threading

import pytest
from fake_dns import FakeDns
from scripted_hop import PASSWORD, Hop, Server, hop, wait_until  # noqa: F401 (fixtures)

ALICE = "alice@example.org"
NONE, USER_PASSWORD, NOTHING = 0, 2, 0xFF


class Proxy(socketserver.ThreadingTCPServer):
    """Connects to `target` whatever address it is asked for, and keeps what that was."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, target, method=NONE, status=0, login=b"\x01\x04user\x06secret"):
        self.target, self.method, self.status, self.login = target, method, status, login
        self.asked, self.refused = [], 0
        super().__init__(("127.0.0.1", 0), self.Session)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Session(socketserver.StreamRequestHandler):
        rbufsize = 0

        def exactly(self, octets):
            got = b""
            while len(got) < octets:
                more = self.request.recv(octets - len(got))
                if not more:
                    raise ConnectionError
                got += more
            return got

        def handle(self):
            proxy = self.server
            try:
                version, methods = self.exactly(2)
                assert version == 5
                offered = self.exactly(methods)
                if proxy.method not in offered:
                    proxy.refused += 1
                    return self.request.sendall(bytes([5, NOTHING]))
                self.request.sendall(bytes([5, proxy.method]))
                if proxy.method == USER_PASSWORD:
                    right = self.exactly(len(proxy.login)) == proxy.login
                    self.request.sendall(bytes([1, 0 if right else 1]))
                    if not right:
                        proxy.refused += 1
                        return
                _, command, _, kind = self.exactly(4)
                assert command == 1 and kind in (1, 4), "an address, never a name"
                address = ipaddress.ip_address(self.exactly(4 if kind == 1 else 16))
                port = struct.unpack(">H", self.exactly(2))[0]
                proxy.asked.append((str(address), port))
                # The bound address is an IPv6 one, or a name: it has to be read whatever it is.
                bound = b"\x04" + b"\0" * 16 if kind == 1 else b"\x03\x05proxy"
                self.request.sendall(bytes([5, proxy.status, 0]) + bound + b"\0\0")
                if proxy.status:
                    proxy.refused += 1
                    return
                with socket.create_connection(proxy.target) as far:
                    threading.Thread(target=self.copy, args=(far, self.request), daemon=True).start()
                    self.copy(self.request, far)
            except (OSError, ConnectionError):
                pass

        @staticmethod
        def copy(source, sink):
            try:
                while data := source.recv(65536):
                    sink.sendall(data)
            except OSError:
                pass


def start(tmp_path, hop, proxy, more=""):
    """Everything leaves through `proxy`; the domain's mail hosts are far away."""
    dns = FakeDns({"far.example": {"mx": [(10, "mx6.far.example"), (20, "mx4.far.example")]},
                   "mx6.far.example": {"aaaa": ["2001:db8::25"]}, "mx4.far.example": {"a": ["198.51.100.25"]}})
    made = Server(tmp_path, hop)
    text = made.config.read_text()
    (tmp_path / "proxy-password").write_text("secret\n")
    made.config.write_text(text[:text.index("[delivery]")] + f"""[dns]
servers = ["127.0.0.1:{dns.port}"]
dnssec = false
[delivery]
mode = "direct"
port = 2525
dead_host_memory = "0s"
[[route]]
name = "proxied"
socks5 = "127.0.0.1:{proxy.server_address[1]}"
""" + more)
    made.start()
    return made, dns


def send(server):
    tls = ssl.create_default_context(cafile=server.directory / "cert.pem")
    with smtplib.SMTP_SSL("localhost", server.ports["submissions"][0], timeout=30, context=tls) as client:
        client.login(ALICE, PASSWORD)
        client.sendmail(ALICE, ["bob@far.example"], f"From: {ALICE}\r\nSubject: x\r\n\r\nbody\r\n")


def run(tmp_path, hop, proxy, check, more=""):
    made, dns = start(tmp_path, hop, proxy, more)
    try:
        send(made)
        check(made)
    finally:
        made.stop()
        dns.close()
        proxy.shutdown()
        proxy.server_close()


LOGIN = 'socks5_user = "user"\nsocks5_password_file = "{}/proxy-password"\n'


@pytest.mark.parametrize("method", [NONE, USER_PASSWORD])
def test_mail_goes_through_the_proxy(tmp_path, hop, method):
    proxy = Proxy(hop.server_address, method)

    def check(server):
        wait_until(lambda: hop.mails, "the mail")
        assert proxy.asked == [("2001:db8::25", 2525)], "the better host, by its IPv6 address"
        assert "through the SOCKS5 proxy" in server.cli("explain", "--from", ALICE, "--to", "bob@far.example").stdout
    run(tmp_path, hop, proxy, check, LOGIN.format(tmp_path) if method else "")


@pytest.mark.parametrize("how, method, status, login, why", [
    ("refused", NONE, 5, b"", "connection refused"),
    ("not allowed", NONE, 2, b"", "not allowed by the proxy's rules"),
    ("wants a login", USER_PASSWORD, 0, b"", "wants authentication"),
])
def test_what_the_proxy_says_is_told(tmp_path, hop, how, method, status, login, why):
    proxy = Proxy(hop.server_address, method, status)

    def check(server):
        texts = wait_until(lambda: [r["text"] for m in server.json("queue", "ls") for r in m["recipients"] if r.get("text")],
                           "the first attempt to fail")
        assert why in texts[0] and "proxy 127.0.0.1:" in texts[0]
        if status:
            assert [address for address, _ in proxy.asked[:2]] == ["2001:db8::25", "198.51.100.25"], "each host is tried"
        assert not hop.mails
    run(tmp_path, hop, proxy, check)


def test_a_wrong_password_is_told(tmp_path, hop):
    proxy = Proxy(hop.server_address, USER_PASSWORD, 0, b"\x01\x04user\x06sesame")

    def check(server):
        texts = wait_until(lambda: [r["text"] for m in server.json("queue", "ls") for r in m["recipients"] if r.get("text")],
                           "the first attempt to fail")
        assert "refuses our user and password" in texts[0] and "secret" not in texts[0]
        assert "secret" not in (tmp_path / "log").read_text()
    run(tmp_path, hop, proxy, check, LOGIN.format(tmp_path))
