"""`postern check` against servers with one fault each: the failure it names, its exit code, and what it prints."""

import json
import os
import pathlib
import pty
import re
import signal
import subprocess

import pytest

from conftest import BINARY
from probe_tools import Faulty, check, endpoints, make_certificates, run

FAILURES = {
    "good": "ok", "soon": "ok", "expired": "certificate-expired", "wrong-name": "certificate-name",
    "self-signed": "certificate-untrusted", "weak-key": "weak", "weak-signature": "weak", "old-tls": "weak", "strip": "starttls-stripped",
    "strip-passes": "starttls-stripped", "mask": "starttls-stripped", "no-tls": "no-starttls", "454": "starttls-refused",
    "breaks-tls": "tls-failed", "no-auth": "no-auth", "clear-auth": "clear-text-auth", "clear-auth-hidden": "clear-text-auth",
    "relay": "open-relay", "tls-relay": "open-relay", "ehlo-refused": "ehlo-refused", "554": "service-refused", "http": "other-protocol",
    "ssh": "other-protocol", "close": "dropped", "reset": "dropped", "slow-banner": "ok", "greet-pause": "ok", "implicit": "ok",
    "silent": "no-banner", "also-old-tls": "ok", "xoauth2": "ok",
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
    assert "also accepts TLSv1.1 and TLSv1" in words(seen["also-old-tls"])
    assert seen["also-old-tls"]["tls"]["old_versions"] == ["TLSv1.1", "TLSv1"]
    assert seen["also-old-tls"]["tls"]["version"] == "TLSv1.3"
    assert seen["good"]["tls"]["old_versions"] == seen["implicit"]["tls"]["old_versions"] == []
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


def test_where_a_secret_comes_from(faulty, certificates, tmp_path):
    good = [*at(faulty, "good"), "--ca-file", certificates / "ca.pem", "--user", "alice"]
    secret = tmp_path / "password"
    for text in ("secret\n", "secret\r\n", "secret", "secret\nsecond line\n"):
        secret.write_text(text)
        secret.chmod(0o600)
        check(*good, "--password-file", secret, code=0)
    check(*good, "--password-stdin", stdin="secret\n", code=0)
    secret.chmod(0o644)
    done = run(BINARY, "check", *good, "--password-file", secret, "-q")
    assert "every user of this machine can read" in done.stderr
    secret.write_text("\n")
    for arguments, stdin in ((["--password-file", secret], ""), (["--password-file", tmp_path / "absent"], ""), (["--password-file", tmp_path], ""),
                             ([], ""), (["--password-stdin"], "\n"), (["--oauth-token-stdin"], "two words\n"),
                             (["--password-stdin", "--password-file", secret], "secret\n"),
                             (["--oauth-token-stdin", "--password-stdin"], "secret\n")):
        done = run(BINARY, "check", *good, *arguments, ok=False, input=stdin)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and not done.stdout, (arguments, done)


def test_login_with_a_token(faulty, certificates, tmp_path):
    token = tmp_path / "token"
    token.write_text("good" * 200 + "\n")
    trust = ("--ca-file", certificates / "ca.pem", "--user", "alice")
    seen = endpoints(check(*at(faulty, "xoauth2"), *trust, "--oauth-token-file", token, code=0))["127.0.0.1", faulty.ports["xoauth2"]]
    assert (seen["login"]["mechanism"], seen["login"]["reply"]["code"]) == ("XOAUTH2", 235)
    refused = check(*at(faulty, "xoauth2"), *trust, "--oauth-token-stdin", stdin="stale\n", code=52)
    assert "535" in refused["summary"] and '"status":"401"' in refused["summary"] and "expired" in refused["cause"]
    # A server without tokens gets none, and one without TLS that was verified neither.
    kept = check(*at(faulty, "good"), *trust, "--oauth-token-file", token, code=55)
    assert "the token was not sent: the server takes no tokens" in kept["summary"]
    kept = check(*at(faulty, "self-signed"), "--user", "alice", "--oauth-token-file", token, code=46)
    assert endpoints(kept)["127.0.0.1", faulty.ports["self-signed"]]["login"]["not_tried_because"]


def test_closed_port_and_bad_command_lines(faulty):
    assert check("127.0.0.1:1", "--timeout", "5", code=20)["failure"] == "refused"
    assert check("[::1]:1", "--timeout", "5", code=20)["failure"] == "refused"
    assert check("[fe80::1%lo]:1", "--timeout", "3")["hosts"][0]["host"] == "fe80::1"
    assert check("127.0.0.1", "-6", code=11)["failure"] == "no-address"
    assert "is not a DNS name" in check("mail..example:587", code=10)["summary"]
    hinted = run(BINARY, "check", "::1:587", "--timeout", "2", "-q", ok=False)
    assert "write [::1]:587" in hinted.stderr
    for arguments in (["host:0"], ["host:70000"], ["host:x"], ["a b"], ["[::1"], ["[::1]587"], ["[::1]:"], ["::1::2"], [], ["h", "--timeout", "0"],
                      ["h", "--watch", "x"], ["h", "--count", "2"], ["h", "--send-to", "nobody"], ["h", "--send-to", "a@example.org"],
                      ["h", "--send-to", "a@example.org", "--user", "alice"], ["h", "-4", "-6"], ["h", "--from-domain", "d"],
                      ["--from-domain", "alice@example.org"], ["--from-domain", "d", "--port", "25"], ["h", "--port", "587-590"], ["h", "--port", "0"],
                      ["fe80::1"], ["fe80::1%no-such0"], ["::1%lo"], ["h", "--password-file", "/dev/null"], ["h", "--insecure"], ["h", "--explain", "-q"],
                      ["h", "--resolver", "x"], ["h", "--ca-file", "/nonexistent"], ["h", "--ca-file", "/dev/null"], ["h", "--address", "x"],
                      ["h", "--json", "--timeout", "x"]):
        done = run(BINARY, "check", *arguments, ok=False, input="secret\n")
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and not done.stdout, (arguments, done)


def test_every_exit_code_is_documented():
    """--help, docs/check.md and the program name the same codes."""
    text = run(BINARY, "check", "--help").stdout
    page = (pathlib.Path(__file__).resolve().parents[2] / "docs/check.md").read_text()
    told = dict(re.findall(r"^  (\d+) +([a-z-]+) +", text, re.MULTILINE))
    written = dict(re.findall(r"^\| (\d+) \| `([a-z-]+)` \|", page, re.MULTILINE))
    assert {code: name for code, name in told.items() if code not in ("1", "2")} == written and len(written) > 30


def on_a_terminal(*command, send=b""):
    """What a terminal shows, with `send` typed at once; and the exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(command[0], [str(part) for part in command])
    os.write(terminal, send)
    shown = b""
    try:
        while piece := os.read(terminal, 65536):
            shown += piece
    except OSError:  # how a terminal ends
        pass
    os.close(terminal)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_terminal_shows_progress_and_asks_for_the_password(faulty, certificates):
    shown, code = on_a_terminal(BINARY, "check", *at(faulty, "good"), "--ca-file", certificates / "ca.pem", "--user", "alice", send=b"secret\n")
    assert code == 0 and "login     PLAIN: 235" in shown, shown
    steps = shown.index("tcp       open")
    assert shown.index("Password: ") < shown.index("... looking up mail.test") < steps < shown.rindex("... checking mail.test")
    quiet, _ = on_a_terminal(BINARY, "check", *at(faulty, "good"), "-q")
    assert "..." not in quiet


def test_watch_ends_when_it_is_told_to(faulty, certificates):
    process = subprocess.Popen([BINARY, "check", *at(faulty, "good"), "--ca-file", certificates / "ca.pem", "--watch", "10s"],
                               stdout=subprocess.PIPE, text=True)
    assert "OK" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == -signal.SIGINT
    process.stdout.close()


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
    explained = check(*at(faulty, "good"), *trust, "--explain")
    assert "openssl s_client" in explained["explain"]
    rounds = run(BINARY, "check", *at(faulty, "good"), *trust, "--watch", "100ms", "--count", "2", "--json").stdout.splitlines()
    assert [json.loads(line)["ok"] for line in rounds] == [True, True]
