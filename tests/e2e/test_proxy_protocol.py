"""Behind a load balancer: the client is who the PROXY header of a listed network says, and nobody else is believed."""

import json
import socket
import ssl
import struct

import pytest
from conftest import PATIENCE, start_postern
from test_dialogues import WORDS

CLIENT = "203.0.113.5"
V1 = f"PROXY TCP4 {CLIENT} 192.0.2.1 40000 587\r\n".encode()
V2 = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", 12) + socket.inet_aton(CLIENT) + socket.inet_aton("192.0.2.1")
      + struct.pack("!HH", 40000, 465))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = start_postern(tmp_path_factory.mktemp("proxied"), '[delivery]\nmode = "sandbox"\n[submission]\n'
                            'proxy_networks = ["127.0.0.2"]\nhandshake_timeout = "2s"\n')
    yield running
    assert running.stop() == 0


def connect(port, source):
    return socket.create_connection(("127.0.0.1", port), PATIENCE, source_address=(source, 0))


def logged(server, event):
    lines = [json.loads(line) for line in (server.directory / "server.log").read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


@pytest.mark.parametrize("header", [V1, V2])
def test_the_client_is_who_the_header_says(server, header):
    with connect(server.submissions, "127.0.0.2") as raw:
        raw.sendall(header)
        with ssl.create_default_context(cafile=server.ca).wrap_socket(raw, server_hostname="localhost") as talk:
            stream = talk.makefile("rb")
            assert stream.readline().startswith(b"220 ")
            talk.sendall(b"EHLO c\r\nAUTH PLAIN " + WORDS["plain"].encode() + b"\r\nQUIT\r\n")
            assert b"235 " in stream.read()
    assert logged(server, "submission.auth_ok")[-1]["client"] == CLIENT


def test_a_proxy_that_speaks_for_itself_is_the_client(server):
    with connect(server.submission, "127.0.0.2") as raw:
        raw.sendall(b"PROXY UNKNOWN\r\n")
        assert raw.recv(100).startswith(b"220 ")


@pytest.mark.parametrize("said", [b"EHLO x\r\n", b"PROXY TCP4 nobody\r\n", V2[:20], b""])
def test_without_a_header_a_listed_network_gets_nothing(server, said):
    with connect(server.submission, "127.0.0.2") as raw:
        raw.sendall(said)
        try:
            assert raw.recv(100) == b""
        except ConnectionResetError:
            pass  # closed with our octets unread


def test_nobody_else_is_believed(server):
    with connect(server.submission, "127.0.0.1") as raw:
        raw.sendall(V1)
        said = raw.makefile("rb")
        assert said.readline().startswith(b"220 ")
        assert said.readline().startswith(b"500 ")
