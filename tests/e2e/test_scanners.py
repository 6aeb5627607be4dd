"""testssl and nmap look at both ports: nothing weak is offered, the service is recognised, and it is alive afterwards."""

import json
import re
import smtplib
import ssl
import subprocess

import pytest

from conftest import ADDRESS, PASSWORD, PATIENCE, start_postern

SCAN_TIME = 150  # seconds


@pytest.fixture(scope="module")
def postern(tmp_path_factory):
    server = start_postern(tmp_path_factory.mktemp("postern"), '[delivery]\nmode = "sandbox"\n[submission]\nmax_connections_per_network = 1000\n')
    yield server
    server.stop()


def still_serves(postern):
    with smtplib.SMTP("127.0.0.1", postern.submission, timeout=PATIENCE) as client:
        client.starttls(context=ssl.create_default_context(cafile=postern.ca))
        client.login(ADDRESS, PASSWORD)
        client.sendmail(ADDRESS, ["friend@example.net"], f"From: {ADDRESS}\r\n\r\nAlive.\r\n")


@pytest.fixture(scope="module")
def scans(postern, tmp_path_factory):
    """All at once: each mostly waits."""
    directory = tmp_path_factory.mktemp("scans")
    commands = {}
    for port, number, starttls in (("587", postern.submission, ["--starttls", "smtp"]), ("465", postern.submissions, [])):
        commands[port] = ["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--ip", "127.0.0.1", "--openssl-timeout",
                          "10", "--protocols", "--std", "--jsonfile", directory / f"{port}.json", *starttls, f"localhost:{number}"]
    scripts = "+smtp-commands,+smtp-open-relay,+smtp-enum-users,+smtp-ntlm-info,+ssl-enum-ciphers,+ssl-cert"
    commands["nmap"] = ["nmap", "-Pn", "-n", "-p", f"{postern.submission},{postern.submissions}", "-sV", "--version-light",
                        "-oN", directory / "nmap", "--script", scripts, "127.0.0.1"]
    running = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for command in commands.values()]
    try:
        for process in running:
            process.wait(SCAN_TIME)
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
    return directory


@pytest.mark.parametrize("port", ["587", "465"])
def test_testssl_finds_no_weak_protocol_or_cipher(postern, scans, port):
    found = {one["id"]: one for one in json.loads((scans / f"{port}.json").read_text())}
    assert {name: found[name]["finding"].split(" ")[0] for name in ("SSLv2", "SSLv3", "TLS1", "TLS1_1")} == dict.fromkeys(
        ("SSLv2", "SSLv3", "TLS1", "TLS1_1"), "not")
    assert all(found[name]["finding"].startswith("offered") for name in ("TLS1_2", "TLS1_3"))
    assert [one for one in found.values() if one["severity"] in ("LOW", "MEDIUM", "HIGH", "CRITICAL")] == []
    still_serves(postern)


def test_nmap_recognises_submission_and_finds_nothing(postern, scans):
    report = (scans / "nmap").read_text()
    assert re.search(rf"{postern.submission}/tcp +open +smtp\b", report), report
    assert re.search(rf"{postern.submissions}/tcp +open +ssl/smtp\b", report), report
    assert "STARTTLS" in report and "AUTH PLAIN LOGIN SCRAM-SHA-256" in report, report
    assert not re.search(r"SSLv3|TLSv1\.[01]|Server is an open relay|\b(alice|root)\b.*valid", report, re.IGNORECASE), report
    grades = re.findall(r" - ([A-F])$", report, re.MULTILINE)
    assert set(grades) == {"A"}, report
    still_serves(postern)
