"""The command line: help, exit codes, nearest names, completion; and the page of metrics is that of the program."""

import subprocess
import sys

import pytest

from conftest import BINARY, PATIENCE, ROOT


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
