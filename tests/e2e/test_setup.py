"""postern setup: asks, asks again with the reason, does it from a file, tells before it does, overwrites nothing."""

import smtplib
import ssl
import subprocess

import pytest

from conftest import BINARY, PATIENCE, eventually, make_certificate

ACCOUNT = "ann@example.org"
PASSWORD = "a long password"
ANSWERS = f"""hostname = "mail.example.org"
domain = "example.org"
certificate = "self-signed"
delivery = "sandbox"
account = "{ACCOUNT}"
password = "{PASSWORD}"
"""


@pytest.fixture
def setup(tmp_path):
    config = tmp_path / "etc" / "postern.toml"
    data = tmp_path / "data"

    def run(*arguments, stdin=""):
        return subprocess.run([BINARY, "--config", config, "setup", "--no-service", "--data-dir", data, *arguments],
                              input=stdin, text=True, capture_output=True, timeout=PATIENCE)

    run.config, run.data, run.answers = config, data, tmp_path / "answers.toml"
    run.answers.write_text(ANSWERS)
    return run


def test_a_dry_run_tells_everything_and_does_nothing(setup):
    done = setup("--answers", setup.answers, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"write {setup.config}" in done.stdout and 'hostname = "mail.example.org"' in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    assert not setup.config.exists() and not setup.data.exists()


def test_from_answers_to_a_first_mail(setup, tmp_path):
    done = setup("--answers", setup.answers)
    assert done.returncode == 0, done.stderr
    for record in ("postern._domainkey.example.org. IN TXT ( \"v=DKIM1;", 'example.org. IN TXT "v=spf1 ',
                   '_dmarc.example.org. IN TXT "v=DMARC1;', "_submissions._tcp.example.org. IN SRV 0 1 465 mail.example.org.",
                   "_submission._tcp.example.org. IN SRV"):
        assert record in done.stdout, record
    assert setup.config.stat().st_mode & 0o777 == 0o640
    assert (setup.config.parent / "tls/key.pem").stat().st_mode & 0o777 == 0o640
    text = setup.config.read_text()
    setup.config.write_text(text + '[listen]\nsubmission = ["127.0.0.1:0"]\nsubmissions = []\nadmin = []\n')
    with open(tmp_path / "log", "wb") as log:
        server = subprocess.Popen([BINARY, "--config", setup.config, "serve"], stderr=log)
    try:
        listening = setup.data / "listening.json"
        eventually(listening.exists, "the server")
        port = int(listening.read_text().split('"submission":[')[1].split("]")[0])
        trust = ssl.create_default_context(cafile=setup.config.parent / "tls/ca.pem")
        trust.check_hostname = False  # it is made for mail.example.org
        with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as client:
            client.starttls(context=trust)
            client.login(ACCOUNT, PASSWORD)
            client.sendmail(ACCOUNT, ["bob@example.net"], f"From: {ACCOUNT}\r\n\r\nhello\r\n")
    finally:
        server.terminate()
        server.wait(PATIENCE)


def test_files_named_from_here_are_found_from_anywhere(setup, tmp_path, monkeypatch):
    make_certificate(tmp_path)
    monkeypatch.chdir(tmp_path.parent)
    setup.answers.write_text(ANSWERS.replace("self-signed", f"{tmp_path.name}/certificate.pem") + f'key = "{tmp_path.name}/key.pem"\n')
    done = setup("--answers", setup.answers)
    assert done.returncode == 0, done.stderr
    config = setup.config.read_text()
    assert f'certificate = "{tmp_path}/certificate.pem"' in config and f'key = "{tmp_path}/key.pem"' in config


def test_a_domain_may_have_other_letters(setup):
    setup.answers.write_text(ANSWERS.replace('"example.org"', '"münchen.example"').replace("ann@example.org", "ann@münchen.example"))
    done = setup("--answers", setup.answers)
    assert done.returncode == 0, done.stderr
    assert "\npostern._domainkey.xn--mnchen-3ya.example. IN TXT" in done.stdout, "as a zone has it"
    assert 'postmaster = "ann@xn--mnchen-3ya.example"' in setup.config.read_text()
    listed = subprocess.run([BINARY, "--config", setup.config, "account", "ls"], text=True, capture_output=True, timeout=PATIENCE)
    assert listed.stdout.startswith("ann@xn--mnchen-3ya.example\t")


def test_a_configuration_is_never_replaced_unasked(setup):
    setup.config.parent.mkdir()
    setup.config.write_text("# mine\n")
    refused = setup("--answers", setup.answers)
    assert refused.returncode == 1 and "--overwrite" in refused.stderr
    assert setup.config.read_text() == "# mine\n"
    done = setup("--answers", setup.answers, "--overwrite")
    assert done.returncode == 0, done.stderr
    assert setup.config.with_name("postern.toml.before-setup").read_text() == "# mine\n"


def test_wrong_answers_are_asked_again_with_the_reason(setup):
    typed = ["mail", "mail.example.org", "", "self-signed", "post", "direct", "ann@other.example", ACCOUNT,
             "short", PASSWORD, ""]
    done = setup(stdin="\n".join(typed) + "\n")
    assert done.returncode == 0, done.stderr
    for reason in ("it needs a dot", "direct, smarthost or sandbox", "an address of example.org",
                   "at least 10 characters"):
        assert f"No: " in done.stderr and reason in done.stderr, reason
    config = setup.config.read_text()
    assert 'mode = "direct"' in config and f'postmaster = "{ACCOUNT}"' in config


@pytest.mark.parametrize("line, reason", [
    ('hostnme = "a.b"', ':1: no question "hostnme"; did you mean hostname?'),
    ('hostname = "a b.c"', "hostname: only letters, digits and hyphens"),
    ('hostname = [', ":1: "),
])
def test_a_wrong_answers_file_is_named(setup, line, reason):
    setup.answers.write_text(line + "\n")
    done = setup("--answers", setup.answers)
    assert done.returncode == 1 and reason in done.stderr, done.stderr
    assert not setup.config.exists()


def test_answers_that_end_say_which_is_missing(setup):
    done = setup(stdin="mail.example.org\n")
    assert done.returncode == 1 and "domain: the answers ended" in done.stderr
    assert not setup.config.exists()


def test_a_relay_with_its_password(setup):
    setup.answers.write_text(ANSWERS.replace('"sandbox"', '"smarthost"') + 'smarthost_host = "relay.example.net"\n'
                             'smarthost_port = 2525\nsmarthost_user = "me"\nsmarthost_password = "geheim"\n')
    done = setup("--answers", setup.answers)
    assert done.returncode == 0, done.stderr
    password = setup.config.parent / "smarthost.password"
    assert password.read_text() == "geheim\n" and password.stat().st_mode & 0o777 == 0o640
    assert "geheim" not in setup.config.read_text() + done.stdout + done.stderr
    assert "a:relay.example.net" in done.stdout
