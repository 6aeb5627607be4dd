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


@pytest.mark.parametrize("port", ["587", "465"])
def test_testssl_finds_no_weak_protocol_or_cipher(postern, tmp_path, port):
    number = postern.submissions if port == "465" else postern.submission
    starttls = [] if port == "465" else ["--starttls", "smtp"]
    report = tmp_path / "report.json"
    subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--ip", "127.0.0.1", "--openssl-timeout", "10",
                    "--protocols", "--std", "--jsonfile", report, *starttls, f"localhost:{number}"],
                   capture_output=True, timeout=SCAN_TIME)
    found = {one["id"]: one for one in json.loads(report.read_text())}
    assert {name: found[name]["finding"].split(" ")[0] for name in ("SSLv2", "SSLv3", "TLS1", "TLS1_1")} == dict.fromkeys(
        ("SSLv2", "SSLv3", "TLS1", "TLS1_1"), "not")
    assert all(found[name]["finding"].startswith("offered") for name in ("TLS1_2", "TLS1_3"))
    assert [one for one in found.values() if one["severity"] in ("LOW", "MEDIUM", "HIGH", "CRITICAL")] == []
    still_serves(postern)


def test_nmap_recognises_submission_and_finds_nothing(postern):
    ports = f"{postern.submission},{postern.submissions}"
    scripts = "+smtp-commands,+smtp-open-relay,+smtp-enum-users,+smtp-ntlm-info,+ssl-enum-ciphers,+ssl-cert"
    done = subprocess.run(["nmap", "-Pn", "-n", "-p", ports, "-sV", "--version-light", "--script", scripts, "127.0.0.1"],
                          capture_output=True, text=True, timeout=SCAN_TIME)
    report = done.stdout
    assert re.search(rf"{postern.submission}/tcp +open +smtp\b", report), report
    assert re.search(rf"{postern.submissions}/tcp +open +ssl/smtp\b", report), report
    assert "STARTTLS" in report and "AUTH PLAIN LOGIN SCRAM-SHA-256" in report, report
    assert not re.search(r"SSLv3|TLSv1\.[01]|Server is an open relay|\b(alice|root)\b.*valid", report, re.IGNORECASE), report
    grades = re.findall(r" - ([A-F])$", report, re.MULTILINE)
    assert set(grades) == {"A"}, report
    still_serves(postern)
