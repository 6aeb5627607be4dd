"""LDAP over the network: TLS on connect and StartTLS, an authority of its own, and servers that are not who, or what, they should be."""

import contextlib
import json
import socket
import threading
import time

import pytest
from conftest import PATIENCE, make_certificate, start_postern
from test_login_backends import SANDBOX, login, start_slapd

RIGHT = ("carol@example.org", "from ldap")


def free_port():
    """slapd cannot be asked which port it got; one that was free a moment ago on an address of this test's own must do."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@pytest.fixture(scope="module")
def slapd(tmp_path_factory):
    directory = tmp_path_factory.mktemp("slapd")
    make_certificate(directory)  # for localhost and 127.0.0.1
    tls = (f"TLSCACertificateFile {directory}/certificate.pem\nTLSCertificateFile {directory}/certificate.pem\n"
           f"TLSCertificateKeyFile {directory}/key.pem\n")
    ports = {"ldaps": free_port(), "ldap": free_port()}
    daemon, _ = start_slapd(directory, tls, (f"ldaps://127.0.0.1:{ports['ldaps']}", f"ldaps://127.0.0.2:{ports['ldaps']}",
                                             f"ldap://127.0.0.1:{ports['ldap']}"))
    daemon.ports, daemon.ca = ports, directory / "certificate.pem"
    yield daemon
    daemon.stop()


@contextlib.contextmanager
def postern_with(tmp_path, ldap):
    (tmp_path / "postern").mkdir(exist_ok=True)
    server = start_postern(tmp_path / "postern", SANDBOX + '[accounts]\nbackend = "ldap"\n[ldap]\n'
                           'bind_dn = "uid=%u,dc=example,dc=org"\ntimeout = "1s"\n' + ldap)
    try:
        yield server
    finally:
        assert server.stop() == 0


def why(server):
    lines = [json.loads(line) for line in (server.directory / "server.log").read_text().splitlines()]
    return [line["why"] for line in lines if line["event"] == "submission.auth_unavailable"][-1]


@pytest.mark.parametrize("way", ["ldaps", "starttls"])
def test_a_server_with_the_right_certificate_is_asked(tmp_path, slapd, way):
    url = (f"ldaps://127.0.0.1:{slapd.ports['ldaps']}\"" if way == "ldaps" else
           f"ldap://127.0.0.1:{slapd.ports['ldap']}\"\nstarttls = true")
    with postern_with(tmp_path, f'url = "{url}\nca_file = "{slapd.ca}"\n') as server:
        assert login(server, *RIGHT) == 235
        assert login(server, RIGHT[0], "wrong") == 535
        assert login(server, "nobody@example.org", "x") == 535


@pytest.mark.parametrize("way", ["another authority", "the system's authorities", "another name", "starttls, another authority"])
def test_no_password_goes_to_a_server_that_cannot_prove_its_name(tmp_path, slapd, way):
    make_certificate(tmp_path)
    url, ca = f"ldaps://127.0.0.1:{slapd.ports['ldaps']}", tmp_path / "certificate.pem"
    if way == "another name":
        url, ca = f"ldaps://127.0.0.2:{slapd.ports['ldaps']}", slapd.ca
    settings = f'url = "{url}"\nca_file = "{ca}"\n'
    if way == "the system's authorities":
        settings = f'url = "{url}"\n'
    if way.startswith("starttls"):
        settings = f'url = "ldap://127.0.0.1:{slapd.ports["ldap"]}"\nstarttls = true\nca_file = "{ca}"\n'
    with postern_with(tmp_path, settings) as server:
        assert login(server, *RIGHT) == 454
        assert "ldap" in why(server)


@pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
def test_a_server_that_does_not_answer_costs_its_timeout(tmp_path, scheme):
    """It takes the connection and says nothing: 454 4.7.0 soon (RFC 4954 §6), and those with a password here log in meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        clear = "allow_clear = true\n" if scheme == "ldap" else ""
        with postern_with(tmp_path, f'url = "{scheme}://127.0.0.1:{silent.getsockname()[1]}"\n{clear}') as server:
            answers = []
            waiting = threading.Thread(target=lambda: answers.append(login(server, *RIGHT)))
            begun = time.monotonic()
            waiting.start()
            assert login(server, "alice@example.org", "correct horse") == 235
            waiting.join(PATIENCE)
            assert answers == [454] and time.monotonic() - begun < 6


def test_a_server_that_is_down_is_454_and_comes_back(tmp_path, slapd):
    port = free_port()
    with postern_with(tmp_path, f'url = "ldap://127.0.0.1:{port}"\nallow_clear = true\n') as server:
        assert login(server, *RIGHT) == 454
        with socket.create_server(("127.0.0.1", port)) as listening:
            def relay():
                near, _ = listening.accept()
                far = socket.create_connection(("127.0.0.1", slapd.ports["ldap"]), PATIENCE)

                def pump(one, other):
                    with contextlib.suppress(OSError):
                        while octets := one.recv(65536):
                            other.sendall(octets)
                        other.shutdown(socket.SHUT_WR)
                back = threading.Thread(target=pump, args=(far, near))
                back.start()
                pump(near, far)
                back.join(PATIENCE)
                near.close()
                far.close()

            relaying = threading.Thread(target=relay)
            relaying.start()
            assert login(server, *RIGHT) == 235
            relaying.join(PATIENCE)
