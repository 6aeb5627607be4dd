"""`postern check` against servers with one fault each: the failure it names, its exit code, and what it prints."""

import json
import subprocess

import pytest

from conftest import BINARY, eventually
from probe_tools import Faulty, check, endpoints, make_certificates, run

FAILURES = {
    "good": "ok", "soon": "ok", "expired": "certificate-expired", "wrong-name": "certificate-name",
    "self-signed": "certificate-untrusted", "weak-key": "weak", "weak-signature": "weak", "old-tls": "weak", "strip": "starttls-stripped",
    "strip-passes": "starttls-stripped", "mask": "starttls-stripped", "no-tls": "no-starttls", "454": "starttls-refused",
    "breaks-tls": "tls-failed", "no-auth": "no-auth", "clear-auth": "clear-text-auth", "clear-auth-hidden": "clear-text-auth",
    "relay": "open-relay", "tls-relay": "open-relay", "ehlo-refused": "ehlo-refused", "554": "service-refused", "http": "other-protocol",
    "ssh": "other-protocol", "close": "dropped", "reset": "dropped", "slow-banner": "ok", "greet-pause": "ok", "implicit": "ok",
    "silent": "no-banner",
}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def faulty(certificates):
    server = Faulty(certificates, "127.0.0.1", FAILURES)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def seen(faulty, certificates):
    """One check of all ports at once: {behaviour: endpoint}."""
    ports = faulty.ports
    answer = check("mail.test", "--address", "127.0.0.1", "--ca-file", certificates / "ca.pem", "--timeout", "10", "--port",
                   ",".join(str(p) for p in ports.values()))
    found = endpoints(answer)
    return {name: found["127.0.0.1", port] for name, port in ports.items()}


@pytest.mark.parametrize("fault", FAILURES)
def test_failure_is_named(seen, fault):
    assert seen[fault]["failure"] == FAILURES[fault], json.dumps(seen[fault], indent=1)


def words(endpoint):
    return json.dumps(endpoint["findings"])


def test_warnings_and_evidence(seen):
    assert "expires soon" in words(seen["soon"])
    assert "banner took" in words(seen["slow-banner"])
    assert "greet pause" in words(seen["greet-pause"])
    assert seen["implicit"]["mode"] == "implicit-tls" and seen["implicit"]["tls"]["verified"]
    assert "works all the same" in words(seen["strip-passes"])
    assert "itself asks for it" in words(seen["strip"])
    assert "HTTP" in words(seen["http"])
    assert seen["good"]["tls"]["chain"][0]["names"] == ["mail.test"]
    assert seen["good"]["ehlo_tls"]["auth"] == ["PLAIN", "LOGIN"] and seen["good"]["ehlo"]["auth"] == []


def at(faulty, fault):
    return f"mail.test:{faulty.ports[fault]}", "--address", "127.0.0.1", "--timeout", "10"


def test_login_only_over_verified_tls(faulty, certificates):
    trust = ("--ca-file", certificates / "ca.pem")
    good = check(*at(faulty, "good"), *trust, "--user", "alice", stdin="secret\n", code=0)
    assert endpoints(good)["127.0.0.1", faulty.ports["good"]]["login"]["reply"]["code"] == 235
    check(*at(faulty, "good"), *trust, "--user", "alice", stdin="wrong\n", code=52)
    # Not verified: once --insecure is not enough.
    for extra in ((), ("--insecure",)):
        kept = check(*at(faulty, "self-signed"), *trust, "--user", "alice", *extra, stdin="secret\n", code=46)
        assert endpoints(kept)["127.0.0.1", faulty.ports["self-signed"]]["login"]["reply"]["code"] == 0
    sent = check(*at(faulty, "self-signed"), *trust, "--user", "alice", "--insecure", "--insecure", stdin="secret\n", code=46)
    assert endpoints(sent)["127.0.0.1", faulty.ports["self-signed"]]["login"]["reply"]["code"] == 235


def test_password_file_and_no_password(faulty, certificates, tmp_path):
    secret = tmp_path / "password"
    secret.write_text("secret\n")
    check(*at(faulty, "good"), "--ca-file", certificates / "ca.pem", "--user", "alice", "--password-file", secret, code=0)
    done = run(BINARY, "check", *at(faulty, "good"), "--user", "alice", ok=False, input="")
    assert done.returncode == 2 and "password" in done.stderr


def test_closed_port_and_bad_command_lines(faulty):
    assert check("127.0.0.1:1", "--timeout", "5", code=20)["failure"] == "refused"
    assert check("127.0.0.1", "-6", code=11)["failure"] == "no-address"
    for arguments in (["host:0"], ["host:70000"], ["host:x"], ["a b"], ["[::1"], [], ["h", "--timeout", "0"], ["h", "--watch", "x"],
                      ["h", "--send-to", "nobody"], ["h", "-4", "-6"], ["h", "--from-domain", "d"]):
        done = run(BINARY, "check", *arguments, ok=False)
        assert done.returncode == 2 and done.stderr, (arguments, done)


def test_text_quiet_watch_and_explain(faulty, certificates):
    trust = ("--ca-file", str(certificates / "ca.pem"))
    text = run(BINARY, "check", *at(faulty, "good"), *trust, "--explain").stdout
    assert "tcp       open" in text and "\nOK: mail.test is ready" in text and "verified" in text
    for tool in ("nc -zv", "/dev/tcp/", "openssl s_client", "curl -v", "nmap", "swaks", "Thunderbird", "smtplib", "Nodemailer"):
        assert tool in text
    quiet = run(BINARY, "check", *at(faulty, "expired"), *trust, "-q", ok=False)
    assert quiet.returncode == 44 and quiet.stdout.count("\n") == 1 and quiet.stdout.startswith("certificate-expired: ")
    watched = run(BINARY, "check", *at(faulty, "good"), *trust, "--watch", "100ms", "--count", "3")
    assert watched.stdout.count("\n") == 1 and "OK" in watched.stdout
    rounds = run(BINARY, "check", *at(faulty, "good"), *trust, "--watch", "100ms", "--count", "2", "--json").stdout.splitlines()
    assert [json.loads(line)["ok"] for line in rounds] == [True, True]
