"""`postern watch replay`: what it answers to good and bad files, and a reduced form of bench/watch."""

import json
import statistics
import subprocess
import sys

from conftest import BINARY, ROOT

sys.path.insert(0, str(ROOT / "bench" / "watch"))
import histories  # noqa: E402
import run as bench  # noqa: E402

HEADER = "time\taccount\tip\trecipients\tresult\n"


def replay(*arguments, stdin=None):
    return subprocess.run([BINARY, "watch", "replay", *map(str, arguments)], capture_output=True, text=True, input=stdin, timeout=60)


def flood(path):
    lines, time = [HEADER], 1_700_000_000
    for i in range(100):
        lines.append(f"{time}\ta@x.example\t192.0.2.1\tfriend{i % 9}@y.example\tsent\n")
        time += 7200
    for i in range(500):
        lines.append(f"{time}\ta@x.example\t203.0.113.5\tv{i}@z{i % 50}.example\t{'bounced' if i % 6 == 0 else 'sent'}\n")
        time += 1
    path.write_text("".join(lines))


def test_one_json_object_per_action(tmp_path):
    file = tmp_path / "history.tsv"
    flood(file)
    done = replay(file, "--json")
    assert done.returncode == 0 and done.stderr == ""
    actions = [json.loads(line) for line in done.stdout.splitlines()]
    assert [a["action"] for a in actions if a["action"] == "hold"] == ["hold"]
    hold = actions[-1]
    assert hold["account"] == "a@x.example" and hold["score"] >= 10
    assert 1_700_720_000 <= hold["time"] < 1_700_720_000 + 50
    assert any(reason.startswith("new_recipients: ") for reason in hold["reasons"])
    assert set(hold) == {"time", "account", "action", "score", "reasons"}
    assert replay("-", "--json", stdin=file.read_text()).stdout == done.stdout


def test_the_summary_is_for_people(tmp_path):
    file = tmp_path / "history.tsv"
    flood(file)
    done = replay(file, "--release-after", "4h")
    assert done.returncode == 0
    assert "600 events" in done.stdout and "1 holds on 1 accounts" in done.stdout


def test_bad_lines_are_named_and_fail(tmp_path):
    file = tmp_path / "history.tsv"
    flood(file)
    file.write_text(file.read_text() + "1\ta@x.example\t192.0.2.1\tb@x.example\tsent\nnonsense\n")
    done = replay(file, "--json")
    assert done.returncode == 1
    assert f"{file}:602: the clock jumps back" in done.stderr
    assert f"{file}:603: 1 fields instead of 5" in done.stderr
    assert '"action":"hold"' in done.stdout


def test_other_bad_input(tmp_path):
    file = tmp_path / "history.tsv"
    classes = tmp_path / "classes.tsv"
    file.write_text(HEADER)
    classes.write_text("a@x.example\trobot\n")
    for arguments, message in [
        ([tmp_path / "absent.tsv"], "cannot be read"),
        ([file, "--release-after", "soon"], "not a time such as 4h"),
        ([file, "--class-file", classes], f"{classes}: line 1: not a class"),
        ([file, "--class-file", tmp_path / "absent"], "cannot be read"),
    ]:
        done = replay(*arguments)
        assert done.returncode == 1 and message in done.stderr, done.stderr
    file.write_text("1\ta@x.example\t192.0.2.1\tb@x.example\tsent\n")
    assert "line 1: not the header" in replay(file).stderr
    assert replay(file).returncode == 1


def test_takeovers_are_held_and_innocents_are_not(tmp_path):
    bench.HISTORIES["small"] = lambda seed: histories.modern(seed, people=70, days=80)
    events, attacks = bench.build("small", 11)
    path = tmp_path / "history.tsv"
    bench.write(events, path)
    actions, _ = bench.replay([BINARY, "watch", "replay", "--json", "--release-after", "4h"], path)
    shapes, false, days = bench.judge(events, attacks, actions)
    for shape, results in shapes.items():
        went = [out for out, *_ in results]
        assert None not in went, (shape, results)
        # From the owner's own address 60 new people in one message are no reason to hold; 100 are one to some accounts.
        slow_or_quiet = "few bounces" in shape or shape == "blasts of 100, own address"
        assert statistics.median(went) <= (100 if slow_or_quiet else 50), (shape, results)
    assert len(false) <= days / 10_000 + 0.5, false
