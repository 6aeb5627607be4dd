"""What people test mail ports with works against Postern and says the right thing."""

import shutil
import socket
import ssl
import subprocess
import time

import pytest

from probe_tools import run


def test_nc_and_bash(postern):
    done = run("nc", "-zvw", "5", "127.0.0.1", postern.submission)
    assert "succeeded" in done.stderr
    banner = run("timeout", "10", "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{postern.submission} && head -n 1 <&3").stdout
    assert banner.startswith("220 mail.example.org")


@pytest.mark.skipif(not shutil.which("telnet"), reason="needs telnet")
def test_telnet(postern):
    process = subprocess.Popen(["telnet", "127.0.0.1", str(postern.submission)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    lines = []
    while not lines or not lines[-1].startswith("220 "):
        lines.append(process.stdout.readline())
        assert lines[-1], lines
    process.stdin.write("EHLO test\nQUIT\n")
    process.stdin.flush()
    rest = process.stdout.read()
    process.wait(10)
    process.stdin.close()
    process.stdout.close()
    assert "250" in rest and "STARTTLS" in rest and "221 " in rest


@pytest.mark.skipif(not shutil.which("nmap"), reason="needs nmap")
def test_nmap_recognises_smtp(postern):
    text = run("nmap", "-Pn", "-n", "-sV", "-p", f"{postern.submission},{postern.submissions}", "127.0.0.1").stdout
    services = {int(line.split("/")[0]): line.split()[2] for line in text.splitlines() if "/tcp" in line}
    assert services == {postern.submission: "smtp", postern.submissions: "ssl/smtp"}, text


def test_curl_smtp(postern):
    done = run("curl", "-sv", "--max-time", "10", "--ssl-reqd", "--cacert", postern.ca, f"smtp://localhost:{postern.submission}/", "-X", "NOOP", ok=False)
    assert done.returncode == 0 and "SSL connection using TLSv1.3" in done.stderr, done.stderr
    assert run("curl", "-s", "--max-time", "10", "--cacert", postern.ca, f"smtps://localhost:{postern.submissions}/", "-X", "NOOP", ok=False).returncode == 0


def answer_to(port, data, tls=None):
    """What the server says to `data` sent at once, until it hangs up; and how long that takes."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        connection = tls.wrap_socket(plain) if tls else plain
        connection.sendall(data)
        said = b""
        try:
            while piece := connection.recv(65536):
                said += piece
        except ConnectionResetError:
            pass
    return said.decode("latin-1"), time.monotonic() - began


@pytest.mark.parametrize("request_line", ["GET / HTTP/1.1", "POST /x HTTP/1.0", "CONNECT example.org:25 HTTP/1.1"])
def test_http_is_refused_without_a_hang(postern, request_line):
    unverified = ssl._create_unverified_context()
    for port, tls in ((postern.submission, None), (postern.submissions, unverified)):
        said, took = answer_to(port, f"{request_line}\r\nHost: localhost\r\n\r\n".encode(), tls)
        assert took < 10, said
        codes = [line[:3] for line in said.splitlines()]
        assert codes[-1] in ("421", "500", "501", "502", "503", "521", "554"), said
