"""The command line: help, exit codes, nearest names, completion; and the page of metrics is that of the program."""

import json
import subprocess
import sys

import pytest

from conftest import BINARY, PATIENCE, ROOT, make_certificate, openssl


def run(*arguments):
    return subprocess.run([BINARY, *arguments], text=True, capture_output=True, timeout=PATIENCE)


@pytest.mark.parametrize("arguments, complaint", [
    (["quue", "ls"], "postern: postern has no verb quue; did you mean queue?"),
    (["queue", "sl"], "postern: postern queue has no verb sl; did you mean ls?"),
    (["queue", "ls", "--acount", "x"], "postern: postern queue ls has no option --acount; did you mean --account?"),
    (["queue", "ls", "--jsn"], "postern: postern queue ls has no option --jsn; did you mean --json?"),
    (["queue"], "postern: postern queue needs a verb: ls, show, retry, hold, release, rm, bounce, freeze, thaw, frozen"),
    ([], "postern: postern needs a verb: "),
])
def test_a_wrong_command_line_is_2_with_the_nearest_name(arguments, complaint):
    done = run(*arguments)
    assert done.returncode == 2 and done.stderr.startswith(complaint), done.stderr
    assert done.stdout == ""


def test_a_refusal_is_1_and_one_sentence():
    done = run("--config", "/nonexistent.toml", "config", "check")
    assert done.returncode == 1
    assert done.stderr == "postern: /nonexistent.toml: No such file or directory\n"


@pytest.fixture
def fresh(tmp_path):
    config = tmp_path / "postern.toml"
    config.write_text(f'hostname = "mail.example.org"\ndata_dir = "{tmp_path / "data"}"\n[delivery]\nmode = "sandbox"\n')
    return lambda *verbs, stdin="": subprocess.run([BINARY, "--config", config, *verbs], input=stdin, text=True,
                                                   capture_output=True, timeout=PATIENCE)


@pytest.mark.parametrize("with_directory", [False, True])
def test_before_the_first_start_there_is_nothing(fresh, with_directory):
    if with_directory:
        fresh("account", "add", "ann@example.org", stdin="a long password\n")
    for verb in (("queue", "ls"), ("queue", "ls", "--by", "site"), ("queue", "frozen"), ("watch", "ls")):
        done = fresh(*verb, "--json")
        assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, [], ""), verb
    for verb, words in ((("queue", "show", "0000000000001"), "no message"), (("queue", "rm", "0000000000001"), "no message"),
                        (("trace", "ann@example.org"), "nothing is known of ann@example.org")):
        done = fresh(*verb)
        assert done.returncode == 1 and words in done.stderr, verb


def test_explain_says_what_counts_for_whom(fresh):
    for name in ("ann", "bob"):
        fresh("account", "add", f"{name}@example.org", stdin="a long password\n")
    fresh("send-as", "add", "bob@example.org", "ann@example.org")
    fresh("limits", "set", "ann@example.org", "--messages", "7/1h")
    done = fresh("explain", "--from", "ann@example.org", "--to", "x@example.net", "--json")
    assert done.returncode == 0, done.stderr
    names = []
    json.loads(done.stdout, object_pairs_hook=lambda pairs: names.extend(name for name, _ in pairs) or dict(pairs))
    assert len(names) == len(set(names)), "RFC 8259 §4: names should be unique"
    limits = json.loads(done.stdout)["limits"]
    assert len(limits) == 2 and "messages 7/1h," in limits[0] and "bob@example.org (person)" in limits[1]


def test_a_check_names_all_mistakes(fresh, tmp_path):
    config = tmp_path / "postern.toml"
    config.write_text(config.read_text() + '[submission]\nmax_mesage = "1MiB"\nmax_recipients = 7\n[listen]\nsubmission = 5\n'
                      '[limits.person]\nmessages = ["x"]\n')
    lines = fresh("config", "check").stderr.splitlines()
    assert [line.split(":")[2] for line in lines] == ["6", "7", "9", "11"], lines
    done = run("--config", str(tmp_path), "config", "check")
    assert done.returncode == 1 and "is a directory" in done.stderr


def test_a_check_tells_nothing_of_a_server_that_does_not_run(fresh, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/running.toml").write_text('hostname = "old.example.org"\n')
    assert fresh("config", "check").stdout == f"{tmp_path / 'postern.toml'}: ok\n"


@pytest.mark.parametrize("what, words", [
    ("missing key", ": tls.key: {d}/key.pem cannot be read: No such file or directory"),
    ("missing certificate", ": tls.certificate: {d}/certificate.pem cannot be read: No such file or directory"),
    ("no certificate", "{d}/certificate.pem holds no certificate in PEM form"),
    ("swapped", "{d}/certificate.pem holds a private key; here belongs the certificate"),
    ("another key", "{d}/key.pem is not the key that the certificate in {d}/certificate.pem was made for"),
    ("a directory", "{d}/key.pem is a directory"),
    ("encrypted", "{d}/key.pem is encrypted with a password"),
])
def test_what_is_wrong_with_a_certificate_is_said_in_words(fresh, tmp_path, what, words):
    make_certificate(tmp_path)
    certificate, key, config = tmp_path / "certificate.pem", tmp_path / "key.pem", tmp_path / "postern.toml"
    config.write_text(config.read_text() + f'[tls]\ncertificate = "{certificate}"\nkey = "{key}"\n')
    assert fresh("config", "check").returncode == 0
    if what == "missing key":
        key.unlink()
    elif what == "missing certificate":
        certificate.unlink()
    elif what == "no certificate":
        certificate.write_text("hello\n")
    elif what == "swapped":
        certificate.write_text(key.read_text())
    elif what == "another key":
        key.write_bytes(openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"))
    elif what == "a directory":
        key.unlink()
        key.mkdir()
    else:
        key.write_bytes(openssl("pkcs8", "-topk8", "-in", key, "-passout", "pass:secret"))
    done = fresh("config", "check")
    assert done.returncode == 1 and words.format(d=tmp_path) in done.stderr, done.stderr
    assert f"{config}:" in done.stderr and ": tls." in done.stderr


def test_help_and_version():
    assert run("--version").stdout.startswith("postern 0.")
    text = run("--help").stdout
    assert "Exit codes: 0 done; 1 refused" in text and "setup" in text


@pytest.mark.parametrize("line, expected", [
    ("postern qu", "queue"),
    ("postern queue re", "retry release"),
    ("postern --config /x.toml --json config ch", "check"),
    ("postern queue ls --acc", "--account"),
])
def test_bash_completes(line, expected):
    words = line.split(" ")
    script = run("completion", "bash").stdout + f"""
COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}
_postern; echo "${{COMPREPLY[*]}}"
"""
    done = subprocess.run(["bash", "-c", script], text=True, capture_output=True, timeout=PATIENCE)
    assert done.stdout.split() == expected.split(), done.stderr


def test_fish_and_zsh_have_the_verbs():
    assert "-a 'ls show retry hold release rm bounce freeze thaw frozen'" in run("completion", "fish").stdout
    assert run("completion", "zsh").stdout.startswith("autoload -U +X bashcompinit")


def test_the_page_of_metrics_is_up_to_date():
    page = subprocess.run([sys.executable, ROOT / "tools/metrics_page.py", BINARY], text=True, capture_output=True,
                          timeout=4 * PATIENCE)
    assert page.returncode == 0, page.stderr
    assert page.stdout == (ROOT / "docs/generated/metrics.md").read_text(), "run ./dev docs"


def test_the_page_of_replies_is_what_the_source_says():
    page = subprocess.run([sys.executable, ROOT / "tools/replies_page.py"], text=True, capture_output=True, check=True)
    assert page.stdout == (ROOT / "docs/generated/replies.md").read_text(), "run ./dev docs"
    assert page.stdout.count("\n| ") > 60, "every reply has a row"
