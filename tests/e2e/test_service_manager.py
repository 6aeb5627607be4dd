"""What systemd and Postern tell each other: inherited sockets, READY, RELOADING, STOPPING."""

import os
import signal
import socket
import subprocess

from conftest import ADDRESS, BINARY, PATIENCE, PASSWORD, SELECTOR, Postern, eventually

# LISTEN_PID has to be the server's own, so a shell sets it before it becomes the server.
ACTIVATE = 'LISTEN_PID=$$ exec "$@"'


class Manager:
    """The service manager's side: a notification socket and two listening ones, passed as descriptors 3 and 4."""

    def __init__(self, directory):
        self.notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.path = str(directory / "notify")
        self.notifications.bind(self.path)
        self.notifications.settimeout(PATIENCE)
        self.sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.ports = [s.getsockname()[1] for s in self.sockets]

    def next(self):
        return self.notifications.recv(1000).decode()

    def start(self, server, names):
        def descriptors():
            first, second = (os.dup2(s.fileno(), 50 + i) for i, s in enumerate(self.sockets))
            os.dup2(first, 3)
            os.dup2(second, 4)

        environment = dict(os.environ, NOTIFY_SOCKET=self.path, LISTEN_FDS="2", LISTEN_FDNAMES=names)
        self.log = open(server.directory / "server.log", "ab")
        server.process = subprocess.Popen(["/bin/sh", "-c", ACTIVATE, "sh", BINARY, "--config", server.config, "serve"],
                                          env=environment, close_fds=False, preexec_fn=descriptors,
                                          stdout=self.log, stderr=self.log)
        server.log = self.log


def greeting(port):
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        return client.recv(100)


def test_inherited_sockets_and_notifications(tmp_path):
    server = Postern(tmp_path, "")
    server.cli("domain", "add", "example.org", "--selector", SELECTOR, "--dkim-key", str(server.dkim_key))
    server.cli("account", "add", ADDRESS, "--password-stdin", stdin=PASSWORD + "\n")
    manager = Manager(tmp_path)
    manager.start(server, "submissions:submission")
    try:
        assert manager.next() == "READY=1"
        implicit, clear = manager.ports
        assert greeting(clear).startswith(b"220 mail.example.org")
        with socket.create_connection(("127.0.0.1", implicit), timeout=PATIENCE) as client:
            client.sendall(b"EHLO x\r\n")  # not TLS: one reply, then the end
            assert client.recv(200).startswith(b"5")
        # [listen] opens no client ports of its own then.
        text = (server.data / "listening.json").read_text()
        assert f'"submission":[{clear}],"submissions":[{implicit}]' in text
        server.process.send_signal(signal.SIGHUP)
        reloading = manager.next()
        assert reloading.startswith("RELOADING=1\nMONOTONIC_USEC=") and int(reloading.split("=")[-1]) > 0
        assert manager.next() == "READY=1"
    finally:
        assert server.stop() == 0
    assert manager.next() == "STOPPING=1"
    # The sockets are the manager's: a client that comes between two servers waits and is served.
    waiting = socket.create_connection(("127.0.0.1", clear), timeout=PATIENCE)
    manager.start(server, "submissions:submission")
    try:
        assert waiting.recv(100).startswith(b"220 ")
    finally:
        server.stop()


def test_systemd_socket_activate(tmp_path):
    """The real tool: it waits for a connection, then starts the server with the socket."""
    server = Postern(tmp_path, "")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with open(tmp_path / "server.log", "ab") as log:
        server.log = log
        server.process = subprocess.Popen(
            ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", "--fdname=submission",
             BINARY, "--config", server.config, "serve"], stdout=log, stderr=log)

        def connected():
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            except ConnectionRefusedError:
                return None

        try:
            client = eventually(connected, "systemd-socket-activate to listen")
            assert client.recv(100).startswith(b"220 mail.example.org")
            client.close()
        finally:
            server.stop()
